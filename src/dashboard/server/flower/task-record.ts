// A task in Flower's format: 31 keys in Flower's order, times in seconds since 1970. Pure.
import type { TaskAttempt, TaskRecord } from '../../../history/record.ts';

type FlowerTask = Readonly<Record<string, unknown>>;

/** `clock`: the logical time of its last event; null: unknown. `children`: ids. */
export function flowerTask(
  task: TaskRecord,
  children: readonly string[],
  clock: number | null,
): FlowerTask & { readonly worker: string | null } {
  const lastIn = (state: TaskAttempt['state']): number | null =>
    seconds(task.attempts.findLast((attempt) => attempt.state === state)?.endedAt ?? null);
  return {
    uuid: task.id,
    name: task.name,
    state: task.state,
    received: seconds(task.attempts.findLast(({ receivedAt }) => receivedAt !== null)?.receivedAt ?? null),
    sent: seconds(task.sentAt),
    started: seconds(task.startedAt),
    rejected: lastIn('REJECTED'),
    succeeded: lastIn('SUCCESS'),
    failed: lastIn('FAILURE'),
    retried: lastIn('RETRY'),
    revoked: lastIn('REVOKED'),
    args: task.argsRepr,
    kwargs: task.kwargsRepr,
    eta: isoText(task.eta),
    expires: isoText(task.expires),
    retries: task.retries,
    worker: task.worker,
    result: task.result,
    exception: task.exception,
    timestamp: seconds(task.updatedAt),
    runtime: seconds(task.runtimeMs),
    traceback: task.traceback,
    exchange: null, // the history does not store it
    routing_key: task.routingKey,
    clock,
    client: task.client,
    root: task.rootId,
    root_id: task.rootId,
    parent: task.parentId,
    parent_id: task.parentId,
    children,
  };
}

/** A task of a list: `worker` is the last key, and is left out if it is unknown. */
export function listedTask({ worker, ...rest }: ReturnType<typeof flowerTask>): FlowerTask {
  return worker === null ? rest : { ...rest, worker };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

/** The format of Python's `isoformat`, in UTC. */
function isoText(ms: number | null): string | null {
  if (ms === null) return null;
  const text = new Date(ms).toISOString();
  return text.replace(/\.000Z$|Z$/, (end) => (end === 'Z' ? '000+00:00' : '+00:00'));
}
