// Queues: how much waits in each, who serves it, and how that was in the last minutes.
import type { App } from '../../../app/app.ts';
import { purgeQueue } from '../../../app/purge-queue.ts';
import { queuesOfTasks } from '../../../app/task-queues.ts';
import type { Fleet } from './fleet.ts';
import { part } from './part.ts';

export interface QueueLine {
  readonly name: string;
  /** Messages that could be claimed now. */
  readonly ready: number;
  /** Messages that wait for their time. */
  readonly scheduled: number;
  /** Messages that workers hold. */
  readonly held: number;
  /** The workers that serve it; null: they could not be asked. */
  readonly workers: readonly string[] | null;
  /** The application's tasks that go there. */
  readonly tasks: readonly string[];
  /** What waited lately, the oldest first, in steps of five seconds. */
  readonly trend: readonly number[];
}

export interface QueueOverview {
  readonly queues: readonly QueueLine[];
  /** The broker counts what is scheduled and held. */
  readonly counts: boolean;
  /** Why workers could not be asked. */
  readonly problem: string | null;
}

const sampleMs = 5_000;
const samplesKept = 60;

/** Looks at the depths again and again, while somebody is interested. */
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
    this.#keep(queues, Date.now());
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

  #keep(queues: readonly QueueLine[], now: number): void {
    if (now - this.#sampledAt < sampleMs) return;
    this.#sampledAt = now;
    for (const { name, ready } of queues) {
      const samples = this.#samples.get(name) ?? [];
      samples.push(ready);
      this.#samples.set(name, samples.slice(-samplesKept));
    }
  }
}

/** Deletes what waits; the number of messages. @throws BrokerUnavailable */
export async function emptyQueue(app: App, name: string): Promise<{ readonly purged: number }> {
  return { purged: await purgeQueue(app, name) };
}
