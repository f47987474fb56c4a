// Celery's way to complete a chord where the result backend cannot count: a task that polls the header's results until all of them are
// there. Workers run it; we never send it.
import { WorkflowError } from '../errors.ts';
import type { ChordPart } from '../protocol/chord-part.ts';
import type { Json, WireSignature } from '../protocol/message.ts';
import { celeryTask } from '../protocol/workflow-wire.ts';
import { readSignature } from './construct.ts';
import { named } from './python-arguments.ts';

/** The arguments of such a task. */
interface Unlock {
  readonly groupId: string;
  readonly body: WireSignature;
  /** Seconds between two polls. */
  readonly interval: number;
  /** Null: no limit. */
  readonly maxRetries: number | null;
  /** Celery's tuples of the header's results. */
  readonly header: readonly unknown[];
}

/** @throws WorkflowError when the arguments are not Celery's */
export function readUnlock({
  args,
  kwargs,
}: {
  readonly args: readonly unknown[];
  readonly kwargs: Json;
}): Unlock {
  const given = named(args, kwargs, ['group_id', 'callback', 'interval', 'max_retries', 'result']);
  const { group_id: groupId, callback, interval, max_retries: maxRetries, result: header } = given;
  if (typeof groupId !== 'string' || !Array.isArray(header))
    throw new WorkflowError(`${celeryTask.chordUnlock} needs a group's id, a body and the header's results`);
  return {
    groupId,
    body: readSignature(callback, `the body of ${celeryTask.chordUnlock}`),
    interval: typeof interval === 'number' && interval >= 0 ? interval : defaultInterval,
    maxRetries: typeof maxRetries === 'number' ? maxRetries : null,
    header,
  };
}

/** Celery's default of `result_chord_retry_interval`, seconds. */
const defaultInterval = 1;

/** The ids of the results that it waits for. */
export function resultsIn(header: readonly unknown[]): readonly string[] {
  return header.flatMap((tuple) => {
    if (typeof tuple === 'string') return [tuple];
    if (!Array.isArray(tuple)) return [];
    const [own, members] = tuple;
    if (Array.isArray(members)) return resultsIn(members);
    const id: unknown = Array.isArray(own) ? own[0] : own;
    return typeof id === 'string' ? [id] : [];
  });
}

/** The return value of our own task of this name; null: it is something else. */
export function unlockedParts(value: unknown): readonly ChordPart[] | null {
  if (!Array.isArray(value)) return null;
  const isPart = (part: unknown): part is ChordPart =>
    typeof part === 'object' && part !== null && 'taskId' in part && 'status' in part && 'result' in part;
  return value.every(isPart) ? value : null;
}
