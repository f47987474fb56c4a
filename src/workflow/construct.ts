// The constructs of Celery's canvas as values: a workflow is a signature whose parts are signatures.
import { WorkflowError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { decodeSignature, decodeSignatures } from '../protocol/signature-wire.ts';
import { type ChordPolicy, celeryTask } from '../protocol/workflow-wire.ts';

export type Kind = 'task' | 'chain' | 'group' | 'chord' | 'chunks';

/** The kind of a signature. `map` and `starmap` are tasks of Celery's, whose argument is a signature. */
export function kindOf({ task, subtask_type }: WireSignature): Kind {
  if (subtask_type === 'chain' || subtask_type === 'group' || subtask_type === 'chord') return subtask_type;
  // Celery writes no type for chunks; where the type is missing it looks at the name.
  return compounds.get(task) ?? 'task';
}

const compounds: ReadonlyMap<string, Kind> = new Map([
  [celeryTask.chain, 'chain'],
  [celeryTask.group, 'group'],
  [celeryTask.chord, 'chord'],
  [celeryTask.chunks, 'chunks'],
]);

export function taskSignature(
  task: string,
  args: readonly unknown[] = [],
  kwargs: Json = {},
  options: Json = {},
  immutable = false,
): WireSignature {
  return { task, args, kwargs, options, subtask_type: null, immutable };
}

export function chainOf(tasks: readonly WireSignature[], options: Json = {}): WireSignature {
  return compound(celeryTask.chain, 'chain', ofParts(tasks), options);
}

/** The steps after a signature in its option `chain`: the last step first, as in Celery. */
export function chainIn({ options, task }: WireSignature): readonly WireSignature[] {
  if (!Array.isArray(options.chain)) return [];
  const decoded = decodeSignatures(options.chain, `what follows ${task}`);
  if (!decoded.ok) throw new WorkflowError(decoded.refusal.detail);
  return decoded.value ?? [];
}

/**
 * The chain that a signature and its option `chain` form together. Celery writes the steps after a chord into this option of the body,
 * whatever kind the body is. What surrounds the body waits for the end of the whole chain.
 */
export function asChain(signature: WireSignature): WireSignature {
  const following = chainIn(signature);
  if (following.length === 0) return signature;
  const { chain: _, group_id, group_index, chord, ...options } = signature.options;
  const place = {
    ...(group_id !== undefined && { group_id }),
    ...(group_index !== undefined && { group_index }),
    ...(chord !== undefined && { chord }),
  };
  return chainOf([{ ...signature, options }, ...[...following].reverse()], place);
}

export function groupOf(tasks: readonly WireSignature[], options: Json = {}): WireSignature {
  return compound(celeryTask.group, 'group', ofParts(tasks), options);
}

/** `header` is a group. The chord's policy for failed members is in its body (`chord_policy`), here and in the members' messages. */
export function chordOf(
  header: WireSignature,
  body: WireSignature,
  options: Json = {},
  policy: ChordPolicy | undefined = body.chord_policy,
): WireSignature {
  const { chord_size: _, chord_policy: __, ...bare } = body;
  const own = policy === undefined ? bare : { ...bare, chord_policy: policy };
  return compound(celeryTask.chord, 'chord', { kwargs: {}, header, body: own }, options);
}

/** A task that calls `each` with each of `items` as its only argument. */
export function mapOf(each: WireSignature, items: readonly unknown[], options: Json = {}): WireSignature {
  return taskSignature(celeryTask.map, [], { task: each, it: items }, options, true);
}

/** A task that calls `each` with each of `items` as its arguments. */
export function starmapOf(each: WireSignature, items: readonly unknown[], options: Json = {}): WireSignature {
  return taskSignature(celeryTask.starmap, [], { task: each, it: items }, options, true);
}

/** {@link starmapOf} in chunks of `size`, which run in parallel. */
export function chunksOf(
  each: WireSignature,
  items: readonly unknown[],
  size: number,
  options: Json = {},
): WireSignature {
  return taskSignature(celeryTask.chunks, [], { task: each, it: items, n: size }, options, true);
}

/** The group that a chunks signature stands for. @throws WorkflowError when it is malformed */
export function groupOfChunks({ kwargs, options }: WireSignature): WireSignature {
  const each = readSignature(kwargs.task, 'the task of celery.chunks');
  const { it: items, n: size } = kwargs;
  if (!Array.isArray(items) || !(Number.isInteger(size) && Number(size) > 0)) {
    throw new WorkflowError('celery.chunks needs a list as `it` and a whole number from 1 as `n`');
  }
  const pieces: WireSignature[] = [];
  for (let from = 0; from < items.length; from += Number(size))
    pieces.push(starmapOf(each, items.slice(from, from + Number(size))));
  return groupOf(pieces, options);
}

/** The steps of a chain, or the members of a group. @throws WorkflowError when it is malformed */
export function partsOf({ task, kwargs }: WireSignature): readonly WireSignature[] {
  const known = read.get(kwargs);
  if (known !== undefined) return known;
  const decoded = decodeSignatures(kwargs.tasks ?? null, `the tasks of ${task}`);
  if (!decoded.ok) throw new WorkflowError(decoded.refusal.detail);
  const parts = decoded.value ?? [];
  read.set(kwargs, parts);
  return parts;
}

/** The kwargs of a compound whose parts are known to be signatures. */
export function ofParts(tasks: readonly WireSignature[]): Json {
  const kwargs = { tasks };
  read.set(kwargs, tasks);
  return kwargs;
}

/** The checked parts: each compound is checked once, however often its parts are asked for. */
const read = new WeakMap<Json, readonly WireSignature[]>();

/** The header of a chord, as a group. Python writes it as a list before it is sent, and as a group afterwards. */
export function headerOf({ kwargs, task }: WireSignature): WireSignature {
  const { header } = kwargs;
  if (!Array.isArray(header)) {
    const group = readSignature(header, `the header of ${task}`);
    const kind = kindOf(group);
    if (kind === 'chunks') return groupOfChunks(group);
    return kind === 'group' ? group : groupOf([group]);
  }
  return groupOf(partsOf(groupOf(header)));
}

/** The body of a chord. @throws WorkflowError when there is none */
export function bodyOf({ kwargs, task }: WireSignature): WireSignature {
  return readSignature(kwargs.body, `the body of ${task}`);
}

/** The signature with more options. */
export function withOptions(signature: WireSignature, options: Json): WireSignature {
  return { ...signature, options: { ...signature.options, ...options } };
}

/** Options that hold a list (`link`, `link_error`), with more signatures at its end. */
export function withListed(
  signature: WireSignature,
  option: 'link' | 'link_error',
  more: readonly WireSignature[],
): WireSignature {
  return more.length === 0
    ? signature
    : withOptions(signature, { [option]: [...listedIn(signature.options, option), ...more] });
}

/** The signatures in `link` or `link_error`. Celery takes a single signature for a list of one. */
export function listedIn(options: Json, option: 'link' | 'link_error'): readonly WireSignature[] {
  const value = options[option];
  if (value === undefined || value === null) return [];
  const decoded = decodeSignatures(Array.isArray(value) ? value : [value], `the option '${option}'`);
  if (!decoded.ok) throw new WorkflowError(decoded.refusal.detail);
  return decoded.value ?? [];
}

function compound(task: string, subtask_type: Kind, kwargs: Json, options: Json): WireSignature {
  return { task, args: [], kwargs, options, subtask_type, immutable: false };
}

/** A part that is still as it was decoded, checked. @throws WorkflowError when it is no signature */
export function readSignature(value: unknown, where: string): WireSignature {
  const decoded = decodeSignature(value, where);
  if (!decoded.ok) throw new WorkflowError(decoded.refusal.detail);
  return decoded.value;
}
