// The names that workflows have on the wire: Celery's own, and the two things that only our workers read.
import type { Json, WireSignature } from './message.ts';

/** Celery's name of each construct. A worker has tasks of these names for what Python sends by name. */
export const celeryTask = {
  chain: 'celery.chain',
  group: 'celery.group',
  chord: 'celery.chord',
  chunks: 'celery.chunks',
  map: 'celery.map',
  starmap: 'celery.starmap',
  /** `args[index]`: makes one value of a group's results. */
  accumulate: 'celery.accumulate',
  /** Completes a chord where the results cannot be counted. */
  chordUnlock: 'celery.chord_unlock',
} as const;

/**
 * What becomes of a chord when a member fails. Absent (Celery's way): all members end, then the body fails with ChordError.
 * `fail-fast`: the body fails with the first member. `all-settled`: the body runs with a {@link Settled} for each member.
 */
export type ChordPolicy = 'fail-fast' | 'all-settled';

/** How a member of an `all-settled` chord ended, as its body is given it. Named as by `Promise.allSettled`. */
export type Settled<T = unknown> =
  | { readonly status: 'fulfilled'; readonly value: T }
  | {
      readonly status: 'rejected';
      /** `type` is the error's class over there; `taskId` the member's. */
      readonly reason: { readonly type: string; readonly message: string; readonly taskId: string };
    };

/**
 * The name in a signature that stands for others, which are kept in the result backend: under `kwargs.id` is the record (state STORED)
 * of a list of signatures. Workflows above a size travel so, that no message grows with them. A worker of Python's has no
 * task of this name and fails loudly.
 * As `embed.chord` or a callback it stands for the one signature of its list, to which its own `options`, `chord_size` and
 * `chord_policy` are added. In `embed.chain`, where it is the first (the last to be taken), it stands for its list, reversed like
 * the chain itself.
 */
const storedTask = 'umbel.stored';

/** The id under which it is stored, if the signature is such a reference; else null. */
export function storedId({ task, kwargs }: WireSignature): string | null {
  return task === storedTask && typeof kwargs.id === 'string' ? kwargs.id : null;
}

/** A reference to what is stored under an id. */
export function storedSignature(id: string, options: Json = {}): WireSignature {
  return { task: storedTask, args: [], kwargs: { id }, options, subtask_type: null, immutable: false };
}
