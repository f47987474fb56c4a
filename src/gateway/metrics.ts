// A gateway's own metrics, for Prometheus: what it was asked, how it answered, and how long that took.
import { ProcessMetrics } from '../lib/process-metrics.ts';
import { MetricRegistry } from '../lib/prometheus.ts';
import type { Waits } from './waits.ts';

/** Seconds. Requests that wait for a result take up to their `wait`. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class GatewayMetrics {
  readonly #registry = new MetricRegistry();
  readonly #requests = this.#registry.counter(
    'umbel_gateway_requests_total',
    'Requests that were answered, by route and status.',
    ['route', 'method', 'status'],
  );
  readonly #durations = this.#registry.histogram(
    'umbel_gateway_request_duration_seconds',
    'From the request to its answer; of an event stream to its first byte.',
    ['route', 'method'],
    buckets,
  );
  readonly #process: ProcessMetrics;

  constructor(waits: Waits) {
    this.#registry.gauge(
      'umbel_gateway_waiting_requests',
      'Event streams, and requests that wait for a result.',
      [],
      () => waits.size,
    );
    this.#process = new ProcessMetrics(this.#registry, 'umbel_gateway');
  }

  /** All metrics as text. The event loop is measured from the first time on. */
  text(): string {
    this.#process.start();
    return this.#registry.text();
  }

  close(): void {
    this.#process.stop();
  }

  /** @param route its path in the routes, without ids; undefined: nothing is there */
  answered(route: string | undefined, method: string, status: number, seconds: number): void {
    const shownRoute = route ?? 'none';
    // A caller may invent methods.
    const shownMethod = knownMethods.has(method) ? method : 'other';
    this.#requests.add(shownRoute, shownMethod, `${Math.floor(status / 100)}xx`);
    this.#durations.observe(seconds, shownRoute, shownMethod);
  }
}

const knownMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);
