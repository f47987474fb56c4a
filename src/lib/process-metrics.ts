// What each program shows of its process: memory, CPU, and how busy its event loop is.
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { MetricRegistry } from './prometheus.ts';

export class ProcessMetrics {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });
  #utilization = performance.eventLoopUtilization();

  /** @param prefix of the event loop's metrics: `umbel_worker` */
  constructor(registry: MetricRegistry, prefix: string) {
    const add = (name: string, help: string, read: () => number): void =>
      registry.gauge(name, help, [], read);
    registry.gauge(
      `${prefix}_event_loop_delay_seconds`,
      'Delay of the event loop since the last scrape.',
      ['quantile'],
      () => this.#loopDelay(),
    );
    add(`${prefix}_event_loop_utilization`, 'Share of time since the last scrape, 0 to 1.', () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
      this.#utilization = now;
      return utilization;
    });
    // The names that Prometheus's own libraries have.
    add('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
    add('process_cpu_seconds_total', 'CPU time of the process.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    add('process_start_time_seconds', 'When the process started, seconds since 1970.', () =>
      Math.round(performance.timeOrigin / 1000),
    );
  }

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  #loopDelay(): (readonly [number, readonly string[]])[] {
    const quantiles = [50, 90, 99, 100].map((quantile) => {
      const value = quantile === 100 ? this.#delay.max : this.#delay.percentile(quantile);
      return [this.#delay.count === 0 ? 0 : value / 1e9, [String(quantile / 100)]] as const;
    });
    this.#delay.reset();
    return quantiles;
  }
}
