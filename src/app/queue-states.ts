// How full queues are, how fast they fill and empty, and when they will be empty.
import type { App } from './app.ts';
import type { QueueState } from './queues.ts';
import { oldestSince } from './waiting-tasks.ts';

/** How far back the rates are counted, milliseconds. */
const windowMs = 300_000;
/** A recorder that has written within this time, milliseconds, is there. */
const silentMs = 60_000;
/** How many queues have rates. */
const maxQueues = 1_000;

/** @throws BrokerUnavailable */
export async function queueStates(app: App, also: Iterable<string>): Promise<readonly QueueState[]> {
  const broker = await app.broker();
  const { named } = app.topology;
  const pauses = (await app.queues.paused()).filter(({ kind }) => kind === 'queue');
  const paused = new Map(pauses.map(({ name, since, by, reason }) => [name, { since, by, reason }]));
  const names = new Set([
    ...named,
    app.config.taskDefaultQueue,
    ...(await broker.queues()),
    ...paused.keys(),
    ...also,
  ]);
  const rates = await ratesOf(app).catch(() => null); // without a history, what the broker tells is enough
  const now = Date.now();
  return Promise.all(
    [...names].sort().map(async (name) => {
      const size = await broker.size(name);
      const since = size.ready === 0 ? null : await oldestSince(broker, name);
      const oldest = since === null ? null : Math.max(0, (now - since) / 1000);
      const inRate = rates?.sent?.get(name) ?? (rates?.sent ? 0 : null);
      const outRate = rates === null ? null : (rates.ended.get(name) ?? 0);
      return {
        name,
        ...size,
        oldest,
        inRate,
        outRate,
        drainsIn: drainsIn(size.ready, inRate, outRate),
        paused: paused.get(name) ?? null,
      };
    }),
  );
}

/** Seconds until a queue is empty; null: never at these rates, or nobody knows. */
export function drainsIn(ready: number, inRate: number | null, outRate: number | null): number | null {
  if (ready === 0) return 0;
  const net = (outRate ?? 0) - (inRate ?? 0);
  return net > 0 ? ready / net : null;
}

interface RatesByQueue {
  /** Null: senders do not tell. */
  readonly sent: ReadonlyMap<string, number> | null;
  readonly ended: ReadonlyMap<string, number>;
}

/** Null: nobody keeps the history now. */
async function ratesOf(app: App): Promise<RatesByQueue | null> {
  const { recordedUntil, oldestAt, gaps } = await app.history.status();
  const now = Date.now();
  if (recordedUntil === null || now - recordedUntil > silentMs || oldestAt === null) return null;
  // A recorder that listens for a minute has heard the tasks of a minute.
  const from = Math.max(now - windowMs, oldestAt, gaps.at(-1)?.until ?? 0);
  const seconds = Math.max(1, (now - from) / 1000);
  const counted = async (field: string): Promise<ReadonlyMap<string, number>> => {
    const found = await app.history.countsBy('queue', `${field}:<${Math.ceil(seconds)}s queue:*`, maxQueues);
    return new Map(found.map(([queue, tasks]) => [queue ?? '', tasks / seconds]));
  };
  const sent = await counted('sent');
  return { sent: sent.size === 0 ? null : sent, ended: await counted('ended') };
}
