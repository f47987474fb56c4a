// Reports a blocked event loop while it is blocked: from a thread, since nothing else of the process runs then. The lease is renewed by a
// thread, too, so that without this report a task that computes without end would never be noticed.

import program from 'thread:./event-loop-monitor.thread.ts';
import { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';

interface EventLoopMonitorOptions {
  /** The worker's name. */
  readonly name: string;
  readonly logger: Logger;
  /** After this time it is reported, milliseconds. */
  readonly warnAfterMs?: number;
  /** After this time the process is killed, milliseconds; 0: never. */
  readonly maxBlockedMs: number;
  /** The worker's clock. An event loop blocks in real time: with a test's clock the monitor does nothing. */
  readonly clock?: Clock;
}

/** The thread's start data. */
export interface MonitorData extends Omit<Required<EventLoopMonitorOptions>, 'logger' | 'clock'> {
  /** Two counters (beats, length of the label), then the label: the task that began last. */
  readonly shared: SharedArrayBuffer;
  readonly everyMs: number;
}

/** The thread's message when the event loop goes on. */
export interface BlockEnded {
  readonly blockedMs: number;
  readonly task: string;
}

/** How long a worker runs before the thread is started: most workers that end sooner are those of tests and scripts. */
const lazyMs = 5_000;
/** Bytes of a task's name and id that are shown. */
const labelBytes = 256;

/**
 * Watches the event loop of this process. When it is blocked for 10 s, this is written to standard error, with the task that began last; when
 * it goes on, it is logged. When it is blocked for `maxBlockedMs`, the process is killed: its tasks run again as after any crash.
 */
export class EventLoopMonitor implements Service {
  readonly #options: Required<EventLoopMonitorOptions>;
  readonly #everyMs: number;
  /** The beats, the length of the label, the label. */
  readonly #shared = new SharedArrayBuffer(8 + labelBytes);
  readonly #counts = new Int32Array(this.#shared, 0, 2);
  readonly #label = Buffer.from(this.#shared, 8);
  #timer: NodeJS.Timeout | null = null;
  #delay: NodeJS.Timeout | null = null;
  #thread: Worker | null = null;

  constructor(options: EventLoopMonitorOptions) {
    this.#options = { warnAfterMs: 10_000, clock: systemClock, ...options };
    const { warnAfterMs, maxBlockedMs } = this.#options;
    this.#everyMs = Math.min(1_000, warnAfterMs / 5, maxBlockedMs > 0 ? maxBlockedMs / 5 : 1_000);
  }

  /** A task begins: if the loop blocks, this task is named. */
  begins({ task, id }: { readonly task: string; readonly id: string }): void {
    this.#counts[1] = this.#label.write(`${task}[${id}]`);
  }

  async start(): Promise<void> {
    if (this.#options.clock !== systemClock) return;
    if (this.#options.maxBlockedMs > 0) this.#watch();
    else this.#delay ??= setTimeout(() => this.#watch(), lazyMs).unref();
  }

  async stop(): Promise<void> {
    if (this.#delay !== null) clearTimeout(this.#delay);
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#thread?.terminate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #watch(): void {
    if (this.#thread !== null) return;
    this.#timer = setInterval(() => void Atomics.add(this.#counts, 0, 1), this.#everyMs).unref();
    const { name, logger, warnAfterMs, maxBlockedMs } = this.#options;
    this.#thread = new Worker(program, {
      eval: true,
      workerData: {
        shared: this.#shared,
        everyMs: this.#everyMs,
        name,
        warnAfterMs,
        maxBlockedMs,
      } satisfies MonitorData,
      execArgv: [],
      env: {},
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 8, stackSizeMb: 1 },
    });
    this.#thread.on('message', ({ blockedMs, task }: BlockEnded) => {
      const seconds = Math.round(blockedMs / 1000);
      logger.warn(
        { blockedMs, task },
        `the event loop was blocked for ${seconds} s; the task that began last was ${task || 'none'}. Tasks that compute for long belong into the pool 'threads' or 'processes'`,
      );
    });
    this.#thread.on('error', (error) =>
      logger.warn(
        { err: error },
        'the event loop is not watched any more: the thread that did so has failed',
      ),
    );
    this.#thread.unref();
  }
}
