import type { App } from '../app/app.ts';
import { ConfigError, TimeoutError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import type { Logger } from '../lib/logger.ts';
import type { QueueSize, Transport } from '../stores/transport.ts';
import { Worker } from '../worker/worker.ts';

/** Options of `drain`. */
export interface DrainOptions {
  /** Deadline in seconds, or text like `'10s'`. Default 4, which is less than the usual limit of test runners. */
  readonly timeout?: Duration;
  /** Tasks at a time; default: as configured. */
  readonly concurrency?: number;
  /** The worker's log; default: none. */
  readonly logger?: Logger;
  /** Whether to drain a store outside of this process, too, with all messages that other programs have sent. Default false. */
  readonly anyStore?: boolean;
}

/**
 * Runs all sent tasks, and the tasks that these send, with a worker in this process, until all queues are empty. It waits for scheduled
 * tasks as well, so a retry in two seconds takes two seconds.
 * @throws TimeoutError that names the remaining messages; ConfigError when the broker is not `memory://`, unless `anyStore`.
 * @example
 * const app = new App('test', { broker: 'memory://' });
 * const sum = await add.delay(2, 3);
 * await drain(app);
 * expect(await sum.get()).toBe(5);
 */
export async function drain(app: App, options: DrainOptions = {}): Promise<void> {
  const { timeout = 4, anyStore = false, ...rest } = options;
  const [scheme = ''] = app.config.broker.split(':', 1);
  if (scheme !== 'memory' && !anyStore)
    throw new ConfigError(
      `drain would run all messages of a store that is not the test's own (${scheme}:). Let the test give the App one in memory: UMBEL_BROKER_URL=memory:// before its module is loaded (vitest: test: { env: { UMBEL_BROKER_URL: 'memory://' } }), and no URL in the code; or say drain(app, { anyStore: true })`,
    );
  const endMs = systemClock.monotonic() + toMs(timeout, 'timeout');
  const transport = await app.broker();
  // Tasks may send to queues that did not exist before, which are served in the next round.
  for (let queues = await transport.queues(); queues.length > 0; queues = await transport.queues()) {
    const worker = new Worker(app, { ...rest, queues });
    try {
      await worker.start();
      await emptied(transport, queues, endMs);
    } finally {
      await worker.stop({ cold: systemClock.monotonic() > endMs });
    }
  }
}

/** Resolves when the queues are empty. Transports do not notify of that, so it polls often. */
async function emptied(transport: Transport, queues: readonly string[], endMs: number): Promise<void> {
  for (;;) {
    const sizes = await Promise.all(queues.map((queue) => transport.size(queue)));
    const left = queues.flatMap((queue, index) => describe(queue, sizes[index]));
    if (left.length === 0) return;
    if (systemClock.monotonic() > endMs) throw new TimeoutError(`drain: there is still ${left.join('; ')}`);
    await systemClock.sleep(2);
  }
}

function describe(queue: string, size: QueueSize | undefined): string[] {
  const counts = Object.entries(size ?? {}).filter(([, count]) => count > 0);
  return counts.length === 0
    ? []
    : [`in '${queue}': ${counts.map(([what, n]) => `${n} ${what}`).join(', ')}`];
}
