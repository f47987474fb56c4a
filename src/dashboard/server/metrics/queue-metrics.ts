// Metrics of queues: ours, and those of celery-exporter. The broker is asked at each scrape; what workers tell is from the scrape before.
import type { App } from '../../../app/app.ts';
import type { QueueState } from '../../../app/queues.ts';
import { MetricRegistry } from '../../../lib/prometheus.ts';
import { poolSizeOf } from '../../../protocol/pool-size.ts';
import type { Fleet } from '../pages/fleet.ts';
import { part } from '../pages/part.ts';

interface Found {
  readonly queues: readonly QueueState[];
  readonly deadLetters: number | null;
  /** Workers and processes of each queue; null: it is not known. */
  readonly served: ReadonlyMap<string, Served> | null;
}

/** Prometheus asks rarely: each scrape has the replies that the one before has asked for. Milliseconds. */
const staleMs = 300_000;

interface Served {
  workers: number;
  processes: number;
}

export class QueueMetrics {
  readonly #app: App;
  readonly #fleet: Fleet;
  readonly #registry = new MetricRegistry();
  /** Queues that had a worker or a message: a queue that is empty now has the value 0. */
  readonly #seen = new Set<string>();
  #found: Found | null = null;

  constructor(app: App, fleet: Fleet) {
    this.#app = app;
    this.#fleet = fleet;
    const registry = this.#registry;
    registry.gauge('umbel_broker_up', 'Whether the broker answers.', [], () =>
      this.#found === null ? 0 : 1,
    );
    registry.gauge('umbel_queue_messages', 'Messages of a queue.', ['queue', 'state'], () =>
      this.#queues.flatMap(({ name, ready, scheduled, claimed }) => [
        [ready, [name, 'ready']] as const,
        [scheduled, [name, 'scheduled']] as const,
        [claimed, [name, 'claimed']] as const,
      ]),
    );
    registry.gauge('umbel_queue_oldest_seconds', 'How long the oldest ready message waits.', ['queue'], () =>
      // A message whose age is not known is no message that does not wait.
      this.#queues.flatMap(({ name, ready, oldest }) =>
        oldest === null && ready > 0 ? [] : [[oldest ?? 0, [name]] as const],
      ),
    );
    registry.gauge('umbel_queue_paused', 'Whether the queue is paused.', ['queue'], () =>
      this.#queues.map(({ name, paused }) => [paused === null ? 0 : 1, [name]] as const),
    );
    registry.gauge('umbel_dead_letters', 'Dead letters of the broker.', [], () => {
      const count = this.#found?.deadLetters ?? null;
      return count === null ? [] : count;
    });
    registry.gauge('celery_queue_length', 'Ready messages of a queue.', ['queue_name'], () =>
      this.#queues.map(({ name, ready }) => [ready, [name]] as const),
    );
    for (const [name, help, of] of [
      ['celery_active_worker_count', 'Workers that consume the queue.', 'workers'],
      ['celery_active_consumer_count', 'Workers that consume the queue.', 'workers'],
      ['celery_active_process_count', 'Tasks that these workers run at a time.', 'processes'],
    ] as const)
      registry.gauge(name, help, ['queue_name'], () => {
        const served = this.#found?.served;
        return served
          ? this.#queues.map((queue) => [served.get(queue.name)?.[of] ?? 0, [queue.name]] as const)
          : [];
      });
  }

  /** Asks the broker, and does not wait for the workers. Never rejects: without an answer `umbel_broker_up` is 0, and the other values are left out. */
  async text(): Promise<string> {
    const served = this.#served();
    for (const name of served?.keys() ?? []) this.#seen.add(name);
    const queues = (await part(this.#app.queues.list(this.#seen))).value;
    const deadLetters = (await part(this.#app.deadLetters.count())).value;
    this.#found = queues && { queues, deadLetters, served };
    for (const { name } of queues ?? []) this.#seen.add(name);
    return this.#registry.text();
  }

  get #queues(): readonly QueueState[] {
    return this.#found?.queues ?? [];
  }

  #served(): ReadonlyMap<string, Served> | null {
    const [stats, queues] = [this.#fleet.stats(staleMs), this.#fleet.queues(staleMs)];
    if (stats.value === null || queues.value === null) return null;
    const served = new Map<string, Served>();
    for (const [worker, names] of queues.value) {
      const processes = poolSizeOf(stats.value.get(worker)) ?? 0;
      for (const name of names) {
        const sum = served.get(name) ?? { workers: 0, processes: 0 };
        served.set(name, { workers: sum.workers + 1, processes: sum.processes + processes });
      }
    }
    return served;
  }
}
