// A signature on the wire: Celery's dict form of a call to be made later.
import type { Decoded, WireSignature } from './message.ts';
import { accept, isMap, kindOf, refuse } from './refusal.ts';

/**
 * Reads a signature. `where` names it in the refusal. Unknown keys are kept, so that the next worker gets the signature unchanged (older
 * Celery versions put `chord_size` beside the other keys).
 */
export function decodeSignature(value: unknown, where = 'the signature'): Decoded<WireSignature> {
  if (!isMap(value)) return refuse('body', `${where} is ${kindOf(value)}, not a signature`);
  const { task, args = [], kwargs = {}, options = {}, subtask_type = null, immutable = false } = value;
  if (typeof task !== 'string' || task === '') return refuse('body', `${where} names no task`);
  if (args !== null && !Array.isArray(args)) return refuse('body', `${where} has ${kindOf(args)} as args`);
  if (kwargs !== null && !isMap(kwargs)) return refuse('body', `${where} has ${kindOf(kwargs)} as kwargs`);
  if (options !== null && !isMap(options))
    return refuse('body', `${where} has ${kindOf(options)} as options`);
  if (subtask_type !== null && typeof subtask_type !== 'string') {
    return refuse('body', `${where} has ${kindOf(subtask_type)} as subtask_type`);
  }
  return accept({
    ...value,
    task,
    args: args ?? [],
    kwargs: kwargs ?? {},
    options: options ?? {},
    subtask_type,
    immutable: immutable === true,
  });
}

/** Reads a list of signatures, or null for none. */
export function decodeSignatures(value: unknown, where: string): Decoded<readonly WireSignature[] | null> {
  if (value === null || value === undefined) return accept(null);
  if (!Array.isArray(value)) return refuse('body', `${where} is ${kindOf(value)}, not a list of signatures`);
  const signatures: WireSignature[] = [];
  for (const [index, item] of value.entries()) {
    const signature = decodeSignature(item, `${where}[${index}]`);
    if (!signature.ok) return signature;
    signatures.push(signature.value);
  }
  return accept(signatures);
}
