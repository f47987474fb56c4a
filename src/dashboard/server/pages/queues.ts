// Queues: their depths, now and in the last minutes, and their workers.
import type { App } from '../../../app/app.ts';
import { purgeQueue } from '../../../app/purge-queue.ts';
import { queuesOfTasks } from '../../../app/task-queues.ts';
import type { Fleet } from './fleet.ts';
import { part } from './part.ts';

export interface QueueLine {
  readonly name: string;
  /** Messages that a worker can claim now. */
  readonly ready: number;
  /** Messages that wait for their eta. */
  readonly scheduled: number;
  /** Messages that workers hold. */
  readonly held: number;
  /** The workers that consume the queue; null: the request to the workers failed. */
  readonly workers: readonly string[] | null;
  /** The application's tasks that are routed to the queue. */
  readonly tasks: readonly string[];
  /** Ready messages in the last five minutes, one value every five seconds, the oldest first. */
  readonly trend: readonly number[];
}

export interface QueueOverview {
  readonly queues: readonly QueueLine[];
  /** The broker counts scheduled and held messages. */
  readonly counts: boolean;
  /** The error of the request to the workers; null: it succeeded. */
  readonly problem: string | null;
}

const sampleMs = 5_000;
const maxSamples = 60;

/** Samples the depths of all queues, as often as `sample` or `list` is called but at most every five seconds. */
export class QueueWatch {
  readonly #app: App;
  readonly #fleet: Fleet;
  readonly #samples = new Map<string, number[]>();
  #sampledAt = 0;
  #sampling: Promise<void> | null = null;

  constructor(app: App, fleet: Fleet) {
    this.#app = app;
    this.#fleet = fleet;
  }

  /** @throws BrokerUnavailable */
  async list(): Promise<QueueOverview> {
    const served = await part(this.#fleet.queues());
    const broker = await this.#app.broker();
    const ofTasks = queuesOfTasks(this.#app);
    const names = new Set([
      ...ofTasks.keys(),
      ...(await broker.queues()),
      ...[...(served.value?.values() ?? [])].flat(),
      ...this.#samples.keys(),
    ]);
    if (names.size === 0) names.add(this.#app.config.taskDefaultQueue);
    const queues = await Promise.all(
      [...names].sort().map(async (name): Promise<QueueLine> => {
        const { ready, scheduled, claimed } = await broker.size(name);
        return {
          name,
          ready,
          scheduled,
          held: claimed,
          workers:
            served.value &&
            [...served.value].filter(([, own]) => own.includes(name)).map(([worker]) => worker),
          tasks: ofTasks.get(name) ?? [],
          trend: this.#samples.get(name) ?? [],
        };
      }),
    );
    this.#record(queues, Date.now());
    return { queues, counts: broker.features.counts, problem: served.problem };
  }

  /** Takes a sample if the last one is old. Never rejects. */
  sample(now = Date.now()): Promise<void> {
    if (now - this.#sampledAt < sampleMs) return Promise.resolve();
    this.#sampling ??= this.list()
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#sampling = null;
      });
    return this.#sampling;
  }

  #record(queues: readonly QueueLine[], now: number): void {
    if (now - this.#sampledAt < sampleMs) return;
    this.#sampledAt = now;
    for (const { name, ready } of queues) {
      const samples = this.#samples.get(name) ?? [];
      samples.push(ready);
      this.#samples.set(name, samples.slice(-maxSamples));
    }
  }
}

/** Deletes the waiting messages, and returns their number. @throws BrokerUnavailable */
export async function emptyQueue(app: App, name: string): Promise<{ readonly purged: number }> {
  return { purged: await purgeQueue(app, name) };
}
