import type { Clock } from '../lib/clock.ts';
import { atMost } from '../lib/deadline.ts';
import type { Logger } from '../lib/logger.ts';
import type { Consumer, Transport } from '../stores/transport.ts';
import type { ActiveTasks } from './active-tasks.ts';
import type { Autoscaler } from './autoscale.ts';
import type { ClaimLoop } from './claim-loop.ts';
import type { Pool } from './pools/pool.ts';
import type { PrefetchGate } from './prefetch-gate.ts';
import type { Retrier } from './retrier.ts';
import type { Slots } from './slots.ts';

/** How a worker ended. `warm`: its runs were finished. `cold`: they were given back. */
export type ShutdownKind = 'warm' | 'cold';

/** The stage that is asked for. `soft`: finish runs that end within `softShutdownTimeout`, then cold. */
type ShutdownStage = 'warm' | 'soft' | 'cold';

// One Ctrl-C can arrive twice: from the terminal, which signals the whole process group, and from a parent that passes it on.
const echoMs = 200;

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const;

/**
 * Celery's rules. SIGTERM and the first SIGINT ask for a warm shutdown. The next one, or SIGQUIT at once, asks for a soft one if `soft` is set,
 * else for a cold one; after a soft one comes a cold one. Then the process has its default handlers again, so that one more signal ends it. With
 * `REMAP_SIGTERM=SIGQUIT` in the environment SIGTERM counts as SIGQUIT. SIGHUP asks for a warm shutdown, and never for a later stage.
 * Dispose to remove the handlers.
 * @internal
 */
export function onShutdownSignal(
  ask: (stage: ShutdownStage, signal: NodeJS.Signals) => void,
  soft = false,
): Disposable {
  const isRemapped = process.env.REMAP_SIGTERM === 'SIGQUIT';
  let stage: ShutdownStage | null = null;
  let last: { readonly signal: NodeJS.Signals; readonly atMs: number } | null = null;
  const handle = (signal: NodeJS.Signals): void => {
    if (last?.signal === signal && performance.now() - last.atMs < echoMs) return;
    last = { signal, atMs: performance.now() };
    if (signal === 'SIGHUP' && stage !== null) return;
    const quits = signal === 'SIGQUIT' || (signal === 'SIGTERM' && isRemapped);
    if (stage === null && !quits) stage = 'warm';
    else stage = soft && stage !== 'soft' ? 'soft' : 'cold';
    if (stage === 'cold') off();
    ask(stage, signal);
  };
  const off = (): void => {
    for (const signal of signals) process.off(signal, handle);
  };
  for (const signal of signals) process.on(signal, handle);
  return { [Symbol.dispose]: off };
}

/** What the log says at this stage; `softMs`: the timeout of the soft shutdown. */
export function describeStage(stage: ShutdownStage, softMs: number): string {
  if (stage === 'warm')
    return `finishing the tasks that run; the next signal ${softMs > 0 ? `leaves them ${softMs / 1000} s` : 'gives them back'}`;
  return stage === 'soft'
    ? `giving back what still runs in ${softMs / 1000} s; the next signal does so at once`
    : 'giving back the tasks that run; the next signal ends the process';
}

/** The parts of a worker that its shutdown uses. */
export interface ShutdownParts {
  readonly loop: ClaimLoop;
  readonly slots: Slots;
  readonly active: Pick<ActiveTasks, 'abandon'>;
  /** Set where messages are fetched ahead of free slots. */
  readonly prefetchGate: PrefetchGate | null;
  readonly pool: Pick<Pool, 'stop' | 'resize'>;
  readonly scaler: Autoscaler | null;
  readonly retrier: Retrier;
  readonly sources: Consumer;
  readonly transport: Pick<Transport, 'status'>;
  /** Stops listening to the broker's status. */
  readonly unsubscribe: () => void;
}

interface ShutdownRules {
  /** Aborted when the shutdown is, or becomes, cold. */
  readonly cold: AbortController;
  /** After this time a warm shutdown becomes cold, milliseconds; `null`: never. */
  readonly timeoutMs: number | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a store that does not answer may hold up a step of the shutdown, milliseconds. */
const stepMs = 15_000;
/** The same for all steps together if the store is known to be away, milliseconds: `docker stop` leaves 10 s. */
const awayMs = 3000;
const pollIntervalMs = 250;
/** How long a cold shutdown repeats what a store refuses, milliseconds. */
const coldRetryMs = 3000;

/** Ends a worker so that nothing stays in limbo: runs are finished, or given back. Never rejects. */
export async function shutDown(parts: ShutdownParts, rules: ShutdownRules): Promise<void> {
  const { loop, slots, active, prefetchGate, pool, scaler, retrier, sources, transport, unsubscribe } = parts;
  const { cold, timeoutMs, clock, logger } = rules;
  retrier.limit();
  const left = loop.stop(); // before anything is given back, or it would be claimed again here
  prefetchGate?.close(); // gives back messages that were fetched ahead
  await scaler?.stop();
  const away = { leftMs: awayMs };
  const patient = (step: Promise<void>): Promise<boolean> => whileThere(step, transport, away, clock);
  // A claim that does not return must not keep the worker. The loop gives back what it may still bring.
  const idle = patient(left).then(() => slots.whenIdle());
  const done = new AbortController();
  if (timeoutMs !== null) {
    clock.sleep(timeoutMs, done.signal).then(
      () => {
        logger.warn(
          { timeoutMs },
          `the shutdown is not done after ${timeoutMs / 1000} s: giving back the tasks that run`,
        );
        cold.abort();
      },
      () => undefined,
    );
  }
  await Promise.race([idle, aborted(cold.signal)]);
  done.abort();
  if (cold.signal.aborted) {
    retrier.limit(coldRetryMs);
    active.abandon();
    if (!(await patient(idle))) {
      const held = slots.busy;
      logger.error({ held }, `${held} tasks could not be settled: they go back when the lease ends`);
    }
  }
  await pool.stop();
  const closed = sources.close().catch((error: unknown) => {
    logger.error(
      { err: error },
      `cannot leave the broker cleanly: ${String(error)}; held messages go back when the lease ends`,
    );
  });
  await patient(closed);
  unsubscribe();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Whether it came to its end before the store had been silent for too long. */
async function whileThere(
  step: Promise<void>,
  transport: Pick<Transport, 'status'>,
  away: { leftMs: number },
  clock: Clock,
): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < stepMs; waitedMs += pollIntervalMs) {
    if (await atMost(pollIntervalMs, step, clock)) return true;
    if (transport.status.state !== 'reconnecting') continue;
    away.leftMs -= pollIntervalMs;
    if (away.leftMs <= 0) return false;
  }
  return false;
}
