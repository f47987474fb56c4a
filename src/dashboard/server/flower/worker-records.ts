// The replies of each worker to eight inspect commands, in Flower's format.
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
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

export class WorkerRecords {
  readonly #context: DashboardContext;
  readonly #metrics: FlowerMetrics;
  readonly #records = new Map<string, WorkerRecord>();
  #asking: Promise<void> | null = null;

  constructor(context: DashboardContext, metrics: FlowerMetrics) {
    this.#context = context;
    this.#metrics = metrics;
  }

  /** The records of all known workers. At the first call and with `refresh`, all workers are asked. @throws BrokerUnavailable */
  async all(refresh: boolean): Promise<ReadonlyMap<string, WorkerRecord>> {
    const { cluster } = this.#context;
    if (refresh || this.#records.size === 0) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = null;
      });
      await this.#asking;
    }
    const due = Date.now() / 1000 - freshMs / 1000;
    const names = new Set([
      ...cluster.aliveWorkers().map(({ hostname }) => hostname),
      ...this.#records.keys(),
    ]);
    const stale = [...names].filter(
      (name) => (this.#records.get(name)?.timestamp ?? 0) < due && this.#mayAnswer(name),
    );
    if (stale.length > 0) await this.#ask(stale);
    this.#forgetSurplus();
    return new Map([...this.#records].sort(([a], [b]) => (a < b ? -1 : 1)));
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
      [...records.values()].some(
        ({ registered }) =>
          Array.isArray(registered) && registered.some((each) => String(each).split(' ')[0] === task),
      );
    return has(this.#records) || has(await this.all(true));
  }

  /** False for a worker whose heartbeats have ended: waiting for its reply is useless. */
  #mayAnswer(name: string): boolean {
    const known = this.#context.cluster.worker(name);
    return known === undefined || this.#context.cluster.isAlive(known);
  }

  async #ask(destination?: readonly string[]): Promise<void> {
    const { control, settings } = this.#context;
    const found = new Map<string, Record<string, unknown>>();
    const options = { timeout: settings.inspectTimeout, ...(destination !== undefined && { destination }) };
    await Promise.all(
      questions.map(async ([key, method, args]) => {
        const { replies } = await control.ask(method, args, options);
        for (const [name, value] of replies) {
          const record = found.get(name) ?? {};
          found.set(name, record);
          record[key] = key === 'stats' ? withoutAlternates(value) : value;
        }
      }),
    );
    const timestamp = Date.now() / 1000;
    for (const [name, answers] of found) {
      const known = questions.flatMap(([key]) => (key in answers ? [[key, answers[key]] as const] : []));
      this.#records.delete(name);
      this.#records.set(name, { ...Object.fromEntries(known), timestamp });
    }
    // Forget asked workers that did not reply and never sent an event.
    for (const name of destination ?? [])
      if (!found.has(name) && this.#context.cluster.worker(name) === undefined) this.#records.delete(name);
  }

  #forgetSurplus(): void {
    for (const name of this.#records.keys()) {
      if (this.#records.size <= this.#context.settings.maxWorkers) return;
      this.#records.delete(name);
    }
  }
}

/** Removes the broker's alternate URLs, as Flower does: they contain passwords. */
function withoutAlternates(stats: unknown): unknown {
  if (!isRecord(stats) || !isRecord(stats.broker)) return stats;
  const { alternates: _, ...broker } = stats.broker;
  return { ...stats, broker };
}
