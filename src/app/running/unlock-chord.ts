import { WorkflowError } from '../../errors.ts';
import type { ChordPart } from '../../protocol/chord-part.ts';
import type { Json } from '../../protocol/message.ts';
import { isReady } from '../../protocol/result-meta.ts';
import type { ResultBackend } from '../../stores/backend.ts';
import { readUnlock, resultsIn } from '../../workflow/chord-unlock.ts';
import type { BoundTask } from '../task.ts';

/**
 * The body of `celery.chord_unlock`: returns the ends of all members when all have ended; until then it is retried. The worker sends what
 * follows, as for a chord that was counted.
 * @throws Retry; WorkflowError where no results can be read
 */
export async function unlockChord(
  task: BoundTask,
  args: readonly unknown[],
  kwargs: Json,
): Promise<readonly ChordPart[]> {
  const { header, interval: countdown, maxRetries } = readUnlock({ args, kwargs });
  const backend = await task.app.backend();
  if (backend === null || backend.replyTo !== undefined)
    throw new WorkflowError(
      `${task.name} cannot see the results of a chord: the application '${task.app.name}' ${backend === null ? 'keeps no results' : `keeps its results in ${backend.name}`}`,
    );
  const again = (cause?: unknown): Error => task.retry(cause, { countdown, maxRetries });
  const parts = await endsOf(resultsIn(header), backend).catch((error: unknown) => {
    throw again(error);
  });
  if (parts === null) throw again();
  return parts;
}

/** Null: a member has not ended. It stops at the first such member. */
async function endsOf(ids: readonly string[], backend: ResultBackend): Promise<readonly ChordPart[] | null> {
  const parts: ChordPart[] = [];
  for (let from = 0; from < ids.length; from += atOnce) {
    const records = await Promise.all(ids.slice(from, from + atOnce).map((id) => backend.get(id)));
    for (const record of records) {
      if (record === undefined || !isReady(record.status)) return null;
      const { taskId, status, result } = record;
      parts.push({ taskId, status, result });
    }
  }
  return parts;
}

const atOnce = 500;
