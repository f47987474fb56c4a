// Large workflows: the parts that follow are stored once, and messages carry a short reference to them.
import { WorkflowError } from '../errors.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { storedId, storedSignature } from '../protocol/workflow-wire.ts';
import { bodyOf, chainOf, headerOf, kindOf, ofParts, partsOf, withOptions } from './construct.ts';
import { resultId } from './freeze.ts';

/** This many levels of a workflow are some 70 levels of JSON. */
const foldedLevels = 12;

/** Bytes; when the parts that follow a task are larger, its message does not carry them. */
export const defaultInlineBytes: number = 16 * 1024;

/** A list of signatures that is kept under an id: one signature, or steps in reverse order. */
export interface Stored {
  readonly id: string;
  readonly signatures: readonly WireSignature[];
}

/** Reads the list that is stored under an id. @throws when it is there no more */
export type Load = (id: string) => Promise<readonly WireSignature[]>;

/** Collects the parts that are too large to be carried along. */
export class PayloadStore {
  readonly stored: Stored[] = [];
  readonly #inlineBytes: number;
  readonly #newId: (place: string) => string;

  constructor(inlineBytes: number, newId: (place: string) => string) {
    this.#inlineBytes = inlineBytes;
    this.#newId = newId;
  }

  /**
   * The workflow with its deepest parts stored separately: nested JSON has limits, here and in Python. Each body of a chord within a
   * chord's body is one level.
   */
  folded(signature: WireSignature, level = 0): WireSignature {
    if (!Number.isFinite(this.#inlineBytes)) return signature;
    switch (kindOf(signature)) {
      case 'chain': {
        const steps = partsOf(signature);
        const last = steps.at(-1);
        const end = last === undefined ? last : this.folded(last, level);
        return end === undefined || end === last
          ? signature
          : { ...signature, kwargs: ofParts([...steps.slice(0, -1), end]) };
      }
      case 'group': {
        const parts = partsOf(signature);
        const folded = parts.map((part) => this.folded(part, level));
        return folded.every((part, index) => part === parts[index])
          ? signature
          : { ...signature, kwargs: ofParts(folded) };
      }
      case 'chord': {
        const given = bodyOf(signature);
        const body = this.folded(given, level + 1);
        const header = this.folded(headerOf(signature), level + 1);
        const isDeep = level % foldedLevels === foldedLevels - 1 && kindOf(body) !== 'task';
        return {
          ...signature,
          kwargs: { ...signature.kwargs, header, body: isDeep ? this.#one(body) : body },
        };
      }
      default:
        return signature;
    }
  }

  /** A chord's body, or a callback: the signature itself, or a reference to it. */
  one(signature: WireSignature): WireSignature {
    if (storedId(signature) !== null || approximateSize(signature, this.#inlineBytes) <= this.#inlineBytes)
      return signature;
    return this.#one(signature);
  }

  #one(signature: WireSignature): WireSignature {
    const { chord_size, chord_policy, ...kept } = signature;
    const id = this.#keep(`one.${resultId(signature)}`, [kept]);
    const { task_id, root_id } = signature.options;
    return {
      ...storedSignature(id, {
        ...(task_id !== undefined && { task_id }),
        ...(root_id !== undefined && { root_id }),
      }),
      ...(chord_size !== undefined && { chord_size }),
      ...(chord_policy !== undefined && { chord_policy }),
    };
  }

  /** The remaining steps of a chain, reversed: as many as may be carried along, and a reference to a list of the others, which may refer to a next list. */
  chain(reversed: readonly WireSignature[]): readonly WireSignature[] {
    if (approximateSize(reversed, this.#inlineBytes) <= this.#inlineBytes) return reversed;
    // From the end of the chain, so that each list can refer to the next.
    let list: WireSignature[] = [];
    let size = 0;
    for (const step of reversed) {
      const bytes = approximateSize(step, this.#inlineBytes);
      const first = list[0];
      // A list with nothing but a reference is not stored again.
      if (
        first !== undefined &&
        size + bytes > this.#inlineBytes &&
        !(list.length === 1 && storedId(first) !== null)
      ) {
        list = [this.#rest(list)];
        size = referenceBytes;
      }
      list.push(step);
      size += bytes;
    }
    return size > this.#inlineBytes ? [this.#rest(list)] : list;
  }

  #rest(list: readonly WireSignature[]): WireSignature {
    const [end] = list;
    const next = list.at(-1);
    const id = this.#keep(`rest.${next === undefined ? '' : resultId(next)}`, list);
    const last = end === undefined ? null : resultId(end);
    return storedSignature(id, last === null ? {} : { task_id: last });
  }

  #keep(place: string, signatures: readonly WireSignature[]): string {
    const id = this.#newId(`stored.${place}`);
    this.stored.push({ id, signatures });
    return id;
  }
}

/** The signature that a reference stands for; any other signature is returned itself. */
export async function resolve(signature: WireSignature, load: Load): Promise<WireSignature> {
  const id = storedId(signature);
  if (id === null) return signature;
  const list = await load(id);
  const [first] = list;
  if (first === undefined) throw new WorkflowError(`nothing is stored under ${id}`);
  const { chord_size, chord_policy, options } = signature;
  const whole = list.length === 1 ? first : chainOf([...list].reverse());
  return {
    ...(await resolve(withOptions(whole, options), load)),
    ...(chord_size !== undefined && { chord_size }),
    ...(chord_policy !== undefined && { chord_policy }),
  };
}

/** The next step of a chain and the steps after it; null: there is none. `reversed` is `embed.chain`. */
export async function nextStep(
  reversed: readonly WireSignature[],
  load: Load,
): Promise<{ readonly step: WireSignature; readonly rest: readonly WireSignature[] } | null> {
  let rest = reversed;
  for (;;) {
    const step = rest.at(-1);
    if (step === undefined) return null;
    const others = rest.slice(0, -1);
    const id = storedId(step);
    if (id === null) return { step, rest: others };
    rest = [...others, ...(await load(id))];
  }
}

const referenceBytes = 200;

/** The approximate size of a value as JSON, bytes; stops counting above `enough`. */
export function approximateSize(value: unknown, enough: number): number {
  if (typeof value === 'string') return value.length + 2;
  if (value instanceof Uint8Array) return Math.ceil(value.length * 1.4) + 50;
  if (Array.isArray(value)) {
    let size = 2;
    for (const item of value) {
      size += approximateSize(item, enough - size) + 2;
      if (size > enough) break;
    }
    return size;
  }
  if (typeof value !== 'object' || value === null) return 8;
  let size = 2;
  for (const [key, item] of Object.entries(value as Json)) {
    size += key.length + 6 + approximateSize(item, enough - size);
    if (size > enough) break;
  }
  return size;
}
