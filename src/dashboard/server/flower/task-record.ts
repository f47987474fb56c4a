// A task as Flower describes it: 31 keys in its order, times in seconds since 1970. Pure.
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
    timestamp: seconds(task.heardAt),
    runtime: seconds(task.runtimeMs),
    traceback: task.traceback,
    exchange: null, // it is not kept
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

/** The same in a list, where `worker` stands last, or is left out where none is known. */
export function listedTask({ worker, ...rest }: ReturnType<typeof flowerTask>): FlowerTask {
  return worker === null ? rest : { ...rest, worker };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

/** As Python's `isoformat` of a time in UTC. */
function isoText(ms: number | null): string | null {
  if (ms === null) return null;
  const text = new Date(ms).toISOString();
  return text.replace(/\.000Z$|Z$/, (end) => (end === 'Z' ? '000+00:00' : '+00:00'));
}
