// What each worker says of itself, as Flower gives it out: the answers to eight questions.
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

/** The answers by key; `timestamp`: when they came, seconds since 1970. A question that was not answered is left out. */
type WorkerRecord = Readonly<Record<string, unknown>> & { readonly timestamp: number };

/** Answers of that age are asked for again, milliseconds. */
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

  /** Of all workers that are known or, the first time and with `refresh`, that answer. @throws BrokerUnavailable */
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

  /** Undefined: no worker of this name is known, and none answers. @throws BrokerUnavailable */
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

  /** Whether each worker lives, by its heartbeats; one without events, by its answers. */
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

  /** A worker whose heartbeats have ended is not waited for. */
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
    // One without heartbeats of which nothing is known but that it does not answer.
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

/** As Flower: other addresses of the broker have passwords in them. */
function withoutAlternates(stats: unknown): unknown {
  if (!isRecord(stats) || !isRecord(stats.broker)) return stats;
  const { alternates: _, ...broker } = stats.broker;
  return { ...stats, broker };
}
