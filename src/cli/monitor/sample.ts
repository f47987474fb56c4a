// Collects the numbers of `umbel top` from the broker and from events.
import type { App } from '../../app/app.ts';
import { oldestSince } from '../../app/waiting-tasks.ts';
import type { ClusterState } from '../../events/cluster-state.ts';
import type { Rates, TaskRate } from './rates.ts';

interface QueueFacts {
  readonly name: string;
  readonly ready: number;
  readonly scheduled: number;
  readonly claimed: number;
  /** How long the oldest message has waited, seconds; null: no message waits, or the time is unknown. */
  readonly oldest: number | null;
}

interface WorkerSample {
  readonly name: string;
  readonly alive: boolean;
  readonly active: number;
  readonly processed: number;
  /** Tasks per second since the previous sample; null: there is none. */
  readonly perSecond: number | null;
  readonly load: readonly number[];
  readonly software: string;
}

/** The numbers at one time. */
export interface Sample {
  readonly time: Date;
  readonly queues: readonly QueueFacts[];
  readonly workers: readonly WorkerSample[];
  /** The rates of the last minute. */
  readonly tasks: readonly TaskRate[];
  /** The number of dead letters; null: unknown. */
  readonly dead: number | null;
  /** Text for users about a query that failed; null: none did. */
  readonly problem: string | null;
}

/** The previous values of `processed`, and their times. */
type Before = Map<
  string,
  { readonly processed: number; readonly at: number; readonly perSecond: number | null }
>;

export class Sampler {
  readonly #app: App;
  readonly #state: ClusterState;
  readonly #rates: Rates;
  readonly #before: Before = new Map();
  #queues: readonly QueueFacts[] = [];
  #dead: number | null = null;

  constructor(app: App, state: ClusterState, rates: Rates) {
    this.#app = app;
    this.#state = state;
    this.#rates = rates;
  }

  /** Takes a sample. While the broker is away, the last numbers of queues stay, and `problem` is set. */
  async take(now: number = Date.now()): Promise<Sample> {
    let problem: string | null = null;
    try {
      const broker = await this.#app.broker();
      const { named } = this.#app.topology;
      const names = new Set([...named, this.#app.config.taskDefaultQueue, ...(await broker.queues())]);
      this.#queues = await Promise.all([...names].sort().map((name) => this.#queue(name, now)));
      this.#dead = await broker.deadLetters.count();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    return {
      time: new Date(now),
      queues: this.#queues,
      workers: this.#workers(now),
      tasks: this.#rates.rates(now),
      dead: this.#dead,
      problem,
    };
  }

  async #queue(name: string, now: number): Promise<QueueFacts> {
    const broker = await this.#app.broker();
    const { ready, scheduled, claimed } = await broker.size(name);
    const since = ready === 0 ? null : await oldestSince(broker, name);
    const oldest = since === null ? null : Math.max(0, (now - since) / 1000);
    return { name, ready, scheduled, claimed, oldest };
  }

  #workers(now: number): readonly WorkerSample[] {
    return this.#state.workers.map((worker) => {
      const { hostname, active, processed, loadavg, software, lastSeenAt } = worker;
      const before = this.#before.get(hostname);
      let perSecond = before?.perSecond ?? null;
      if (before === undefined || lastSeenAt > before.at) {
        if (before !== undefined)
          perSecond = Math.max(0, (1000 * (processed - before.processed)) / (lastSeenAt - before.at));
        this.#before.set(hostname, { processed, at: lastSeenAt, perSecond });
      }
      const alive = this.#state.isAlive(worker, now);
      return {
        name: hostname,
        alive,
        active,
        processed,
        perSecond: alive ? perSecond : null,
        load: loadavg,
        software,
      };
    });
  }
}
