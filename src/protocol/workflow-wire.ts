// The names of workflows on the wire: Celery's names, and two extensions that only our workers read.
import type { Json, WireSignature } from './message.ts';

/** Celery's name of each construct. A worker has tasks of these names, since Python sends some of them by name. */
export const celeryTask = {
  chain: 'celery.chain',
  group: 'celery.group',
  chord: 'celery.chord',
  chunks: 'celery.chunks',
  map: 'celery.map',
  starmap: 'celery.starmap',
  /** Returns `args[index]`: makes one value of a group's results. */
  accumulate: 'celery.accumulate',
  /** Completes a chord on a result backend that cannot count results. */
  chordUnlock: 'celery.chord_unlock',
} as const;

/**
 * The effect of a failed member on its chord. Absent (Celery's way): all members end, then the body fails with ChordError.
 * `fail-fast`: the body fails with the first member. `all-settled`: the body runs with a {@link Settled} for each member.
 */
export type ChordPolicy = 'fail-fast' | 'all-settled';

/** The end of a member of an `all-settled` chord, as the chord's body gets it. The names are those of `Promise.allSettled`. */
export type Settled<T = unknown> =
  | { readonly status: 'fulfilled'; readonly value: T }
  | {
      readonly status: 'rejected';
      /** `type`: the name of the error's class in the member's program. `taskId`: the member's id. */
      readonly reason: { readonly type: string; readonly message: string; readonly taskId: string };
    };

/**
 * The task name of a signature that is a reference (claim check) to signatures in the result backend: a list of signatures is stored as a
 * record in the state STORED, with the id `kwargs.id`. Large workflows are sent this way, so that messages stay small. A Python worker has
 * no task of this name and fails with an error.
 * As `embed.chord` or as a callback, the reference stands for the only signature of its list, to which its own `options`, `chord_size` and
 * `chord_policy` are added. In `embed.chain` it is the first item (the last to be run), and stands for its whole list, which is in reverse
 * order like the chain itself.
 */
const storedTask = 'umbel.stored';

/** The id of the stored signatures, if the signature is such a reference; else null. */
export function storedId({ task, kwargs }: WireSignature): string | null {
  return task === storedTask && typeof kwargs.id === 'string' ? kwargs.id : null;
}

/** A reference to the signatures that are stored under an id. */
export function storedSignature(id: string, options: Json = {}): WireSignature {
  return { task: storedTask, args: [], kwargs: { id }, options, subtask_type: null, immutable: false };
}
