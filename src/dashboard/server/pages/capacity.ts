// How many slots a queue needs: what comes, what goes, and how long its tasks run. By Little's law, the slots that are busy all the time are the rate of
// what comes times the mean run time.
import type { App } from '../../../app/app.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { poolSizeOf } from '../../../protocol/pool-size.ts';
import type { Fleet } from './fleet.ts';

/** How long its tasks run. */
export interface MeanRuntime {
  /** Milliseconds. */
  readonly mean: number;
  /** Of how many runs; few make a poor guess. */
  readonly of: number;
}

export interface CapacityHint extends MeanRuntime {
  /** Slots of all workers that serve the queue, which they may share with other queues; null: unknown. */
  readonly slots: number | null;
  /** How many of them run nothing now; null: unknown. */
  readonly free: number | null;
  /** This many slots more would empty it within the time below; 0: no more are needed, or more would not help, because slots are free. */
  readonly more: number;
  /** Seconds until it is empty with them. */
  readonly emptyIn: number | null;
}

interface QueueLoad {
  readonly ready: number;
  /** Messages per second; null: unknown. */
  readonly inRate: number | null;
  readonly outRate: number | null;
  readonly slots: number | null;
  readonly free: number | null;
  readonly runtime: MeanRuntime;
}

/** A queue that will be empty within this time, seconds, needs no more slots. */
const patience = 600;
/** Slots are free for a moment between two tasks: less than this share says nothing. */
const freeShare = 0.2;

/** Null: nothing waits, or how much goes is unknown. Pure. */
export function capacityHint(load: QueueLoad): CapacityHint | null {
  const { ready, inRate, outRate, slots, free, runtime } = load;
  if (ready === 0 || outRate === null || runtime.of === 0) return null;
  const facts = { ...runtime, slots, free };
  const net = outRate - (inRate ?? 0);
  if (net > 0 && ready / net <= patience) return { ...facts, more: 0, emptyIn: ready / net };
  // Something else keeps its messages: a limit, a pause of a task, a worker that does not know it.
  if (free !== null && slots !== null && free > freeShare * slots)
    return { ...facts, more: 0, emptyIn: null };
  const perSlot = 1000 / Math.max(1, runtime.mean);
  const more = Math.max(1, Math.ceil((ready / patience - net) / perSlot));
  return { ...facts, more, emptyIn: ready / (net + more * perSlot) };
}

const maxQueues = 20;
const maxRuns = 200;

/** Of the latest runs of each queue within a day. A queue without any is missing, as all are without a history. Never rejects. */
export async function meanRuntimes(
  { history }: Pick<App, 'history'>,
  queues: readonly string[],
): Promise<ReadonlyMap<string, MeanRuntime>> {
  const found = await Promise.all(
    queues.slice(0, maxQueues).map(async (queue) => {
      const query = `queue:"${queue.replace(/["\\]/g, '\\$&')}" ended:<1d`;
      const { tasks } = await history.list(query, { limit: maxRuns, sort: '-ended' });
      const times = tasks.flatMap(({ runtimeMs }) => runtimeMs ?? []);
      const mean = times.reduce((sum, each) => sum + each, 0) / times.length;
      return times.length === 0 ? [] : [[queue, { mean, of: times.length }] as const];
    }),
  ).catch(() => []);
  return new Map(found.flat());
}

export interface QueueSlots {
  readonly all: number;
  /** Null: events of a worker are off. */
  readonly free: number | null;
}

/** The slots of the workers that serve each queue; a queue of which a worker did not tell them is missing. */
export function slotsByQueue(
  fleet: Fleet,
  cluster: ClusterState,
  served: ReadonlyMap<string, readonly string[]> | null,
): ReadonlyMap<string, QueueSlots> {
  const stats = fleet.stats().value;
  const slots = new Map<string, QueueSlots>();
  const unknown = new Set<string>();
  for (const [worker, queues] of served ?? []) {
    const concurrency = poolSizeOf(stats?.get(worker)) ?? Number.NaN;
    const active = cluster.worker(worker)?.active ?? null;
    for (const queue of queues) {
      if (!Number.isFinite(concurrency)) unknown.add(queue);
      const before: QueueSlots = slots.get(queue) ?? { all: 0, free: 0 };
      const free =
        before.free === null || active === null ? null : before.free + Math.max(0, concurrency - active);
      slots.set(queue, { all: before.all + concurrency, free });
    }
  }
  for (const queue of unknown) slots.delete(queue);
  return slots;
}
