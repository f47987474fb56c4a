// The replies of each worker to eight inspect commands, in Flower's format.
import { BrokerUnavailable } from '../../../errors.ts';
import { Problem } from '../../../http/problem.ts';
import { systemClock } from '../../../lib/clock.ts';
import { atMost } from '../../../lib/deadline.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import { readRegistered } from '../../../protocol/registered-task.ts';
import type { DashboardContext } from '../context.ts';
import type { FlowerMetrics } from './metrics.ts';

/** The key in a record, the command, and its arguments. */
const questions: readonly (readonly [key: string, method: string, args: Json])[] = [
  ['stats', 'stats', {}],
  ['active', 'active', { safe: true }],
  ['active_queues', 'active_queues', {}],
  ['registered', 'registered', {}],
  ['reserved', 'reserved', {}],
  ['scheduled', 'scheduled', {}],
  ['revoked', 'revoked', {}],
  ['conf', 'conf', {}],
];

/** Replies by key. Commands without a reply are missing. `timestamp`: when the replies came, seconds since 1970. */
type WorkerRecord = Readonly<Record<string, unknown>> & { readonly timestamp: number };

/** Older replies are requested again, milliseconds. */
const freshMs = 5_000;
/** How long the broker has to take the questions, beyond the time that workers have to reply, milliseconds. */
const brokerMs = 4_000;

export class WorkerRecords {
  readonly #context: DashboardContext;
  readonly #metrics: FlowerMetrics;
  readonly #records = new Map<string, WorkerRecord>();
  /** When each worker was asked, also without a reply: one that is silent is not asked at each request. Milliseconds since 1970. */
  readonly #askedAt = new Map<string, number>();
  #asking: Promise<void> | null = null;
  #askingStale: Promise<void> | null = null;

  constructor(context: DashboardContext, metrics: FlowerMetrics) {
    this.#context = context;
    this.#metrics = metrics;
  }

  /**
   * The records of all known workers. At the first call and with `refresh`, all workers are asked; who does not reply in time is there with the
   * record of before, if there is one.
   * @throws Problem 503 when nothing is known in time
   */
  async all(refresh: boolean): Promise<ReadonlyMap<string, WorkerRecord>> {
    if (refresh || this.#records.size === 0) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = null;
      });
      await this.#inTime(this.#asking);
    }
    const stale = this.#stale();
    if (stale.length > 0)
      this.#askingStale ??= this.#ask(stale).finally(() => {
        this.#askingStale = null;
      });
    if (this.#askingStale !== null) await this.#inTime(this.#askingStale);
    this.#forgetSurplus();
    return new Map([...this.#records].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Workers whose records are old, or that are alive without one. */
  #stale(): readonly string[] {
    const due = Date.now() - freshMs;
    const alive = this.#context.cluster.aliveWorkers().map(({ hostname }) => hostname);
    return [...new Set([...alive, ...this.#records.keys()])].filter(
      (name) => (this.#askedAt.get(name) ?? 0) < due && this.#mayAnswer(name),
    );
  }

  /** Waits for what is asked, not longer than workers and broker have: then what is known counts. @throws Problem 503 when nothing is known */
  async #inTime(asking: Promise<void>): Promise<void> {
    const limitMs = this.#context.settings.inspectTimeout * 1000 + brokerMs;
    const isOver = await atMost(limitMs, asking, systemClock).catch((error: unknown) => {
      if (error instanceof BrokerUnavailable) return false;
      throw error;
    });
    if (isOver || this.#records.size > 0) return;
    throw new Problem(503, 'Failed to update workers: the broker did not answer in time');
  }

  /** Undefined: no worker of this name is known or replies. @throws BrokerUnavailable */
  async get(name: string): Promise<WorkerRecord | undefined> {
    await this.#ask([name]);
    return this.#records.get(name);
  }

  /** @throws BrokerUnavailable */
  async isKnown(name: string): Promise<boolean> {
    const { cluster, control, settings } = this.#context;
    if (cluster.worker(name) !== undefined || this.#records.has(name)) return true;
    const { replies } = await control.ping({ destination: [name], timeout: settings.inspectTimeout });
    return replies.has(name);
  }

  /** Whether each worker is alive: by its heartbeats, or without events by its replies. */
  status(): ReadonlyMap<string, boolean> {
    const { cluster } = this.#context;
    const all = new Map<string, boolean>();
    for (const name of this.#records.keys()) all.set(name, this.#mayAnswer(name));
    for (const worker of this.#metrics.workers) all.set(worker.hostname, cluster.isAlive(worker));
    return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Whether a worker has this task. @throws BrokerUnavailable */
  async isRegistered(task: string): Promise<boolean> {
    const has = (records: ReadonlyMap<string, WorkerRecord>): boolean =>
      [...records.values()].some(({ registered }) =>
        readRegistered(registered).some(({ name }) => name === task),
      );
    return has(this.#records) || has(await this.all(true));
  }

  /** False for a worker whose heartbeats have ended: waiting for its reply is useless. */
  #mayAnswer(name: string): boolean {
    const known = this.#context.cluster.worker(name);
    return known === undefined || this.#context.cluster.isAlive(known);
  }

  async #ask(destination?: readonly string[]): Promise<void> {
    const { cluster, control, settings } = this.#context;
    const found = new Map<string, Record<string, unknown>>();
    const now = Date.now();
    const asked = destination ?? [
      ...cluster.workers.map(({ hostname }) => hostname),
      ...this.#records.keys(),
    ];
    for (const name of asked) this.#askedAt.set(name, now);
    const options = { timeout: settings.inspectTimeout, ...(destination !== undefined && { destination }) };
    const outcomes = await Promise.allSettled(
      questions.map(async ([key, method, args]) => {
        const { replies } = await control.ask(method, args, options);
        for (const [name, value] of replies) {
          const record = found.get(name) ?? {};
          found.set(name, record);
          record[key] = key === 'stats' ? withoutAlternates(value) : value;
        }
      }),
    );
    for (const outcome of outcomes)
      if (outcome.status === 'rejected' && found.size === 0) throw outcome.reason;
    const timestamp = Date.now() / 1000;
    for (const [name, answers] of found) {
      const known = questions.flatMap(([key]) => (key in answers ? [[key, answers[key]] as const] : []));
      this.#records.delete(name);
      this.#records.set(name, { ...Object.fromEntries(known), timestamp });
      this.#askedAt.set(name, now);
    }
    // Forget asked workers that did not reply and never sent an event.
    for (const name of destination ?? [])
      if (!found.has(name) && cluster.worker(name) === undefined) this.#forget(name);
  }

  #forgetSurplus(): void {
    for (const names of [this.#askedAt, this.#records])
      for (const name of names.keys()) {
        if (names.size <= this.#context.settings.maxWorkers) break;
        this.#forget(name);
      }
  }

  #forget(name: string): void {
    this.#records.delete(name);
    this.#askedAt.delete(name);
  }
}

/** Removes the broker's alternate URLs, as Flower does: they contain passwords. */
function withoutAlternates(stats: unknown): unknown {
  if (!isRecord(stats) || !isRecord(stats.broker)) return stats;
  const { alternates: _, ...broker } = stats.broker;
  return { ...stats, broker };
}
