// The worker's heartbeats: they tell monitors that it lives, and how busy it is.
import { loadavg } from 'node:os';
import type { EventSender } from '../events/sender.ts';
import type { Clock } from '../lib/clock.ts';
import type { Service } from '../lib/service.ts';
import { version } from '../lib/version.ts';
import type { Activity } from './activity.ts';

interface HeartParts {
  readonly sender: EventSender;
  readonly activity: Activity;
  /** The number of tasks that run. */
  readonly active: () => number;
  readonly clock: Clock;
}

/** As in Celery, seconds. */
const everySeconds = 2;

export class Heart implements Service {
  readonly #parts: HeartParts;
  readonly #stopping = new AbortController();
  #heartbeat: Promise<void> | null = null;

  constructor(parts: HeartParts) {
    this.#parts = parts;
  }

  /** It has sent `worker-offline`, or does so now. */
  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async start(): Promise<void> {
    this.#heartbeat ??= this.#beat();
  }

  /** Sends `worker-offline`. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    await this.#heartbeat;
    if (this.#heartbeat !== null) await this.emit('worker-offline');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Sends an event. `freq`: seconds until the next heartbeat. */
  async emit(
    type: 'worker-online' | 'worker-heartbeat' | 'worker-offline',
    freq: number = everySeconds,
  ): Promise<void> {
    const { sender, activity, active } = this.#parts;
    await sender.worker(type, {
      freq,
      active: active(),
      processed: activity.processed,
      loadavg: loadavg().map((load) => Math.round(load * 100) / 100),
      sw_ident: 'js-umbel',
      sw_ver: version,
      sw_sys: systemName,
    });
  }

  async #beat(): Promise<void> {
    const { signal } = this.#stopping;
    await this.emit('worker-online');
    while (!signal.aborted) {
      await this.#parts.clock.sleep(everySeconds * 1000, signal).catch(() => undefined);
      if (!signal.aborted) await this.emit('worker-heartbeat');
    }
  }
}

/** As Python's `platform.system()`. */
const systemName =
  process.platform === 'darwin' ? 'Darwin' : process.platform === 'win32' ? 'Windows' : 'Linux';
