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

/** How a worker ended. `warm`: what ran was finished. `cold`: it was given back. */
export type ShutdownKind = 'warm' | 'cold';

/** What is asked for. `soft`: finish what ends within `softShutdownTimeout`, then cold. */
type ShutdownStage = 'warm' | 'soft' | 'cold';

// One Ctrl-C can arrive twice: from the terminal, which signals the whole group, and from a parent that passes it on.
const echoMs = 200;

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const;

/**
 * Celery's rules: SIGTERM and the first SIGINT ask for a warm shutdown; the next one, or SIGQUIT at once, for a soft one where there
 * is one (`soft`), else for a cold one; after a soft one comes a cold one. Then the process has its default handlers again, so that one more
 * ends it hard. With `REMAP_SIGTERM=SIGQUIT` in the environment SIGTERM is a SIGQUIT. SIGHUP asks for a warm shutdown, and
 * hastens none. Dispose to take the handlers off.
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

/** What a worker says that it does at this stage; `softMs`: its soft shutdown's timeout. */
export function describeStage(stage: ShutdownStage, softMs: number): string {
  if (stage === 'warm')
    return `finishing the tasks that run; the next signal ${softMs > 0 ? `leaves them ${softMs / 1000} s` : 'gives them back'}`;
  return stage === 'soft'
    ? `giving back what still runs in ${softMs / 1000} s; the next signal does so at once`
    : 'giving back the tasks that run; the next signal ends the process';
}

/** The parts of a worker that have a say in its stopping. */
export interface ShutdownParts {
  readonly loop: ClaimLoop;
  readonly slots: Slots;
  readonly active: Pick<ActiveTasks, 'abandon'>;
  /** Where messages are fetched ahead of free slots; else null. */
  readonly prefetchGate: PrefetchGate | null;
  readonly pool: Pick<Pool, 'stop' | 'resize'>;
  readonly scaler: Autoscaler | null;
  readonly retrier: Retrier;
  readonly sources: Consumer;
  readonly transport: Pick<Transport, 'status'>;
  /** Hears no more of the broker. */
  readonly unsubscribe: () => void;
}

interface ShutdownRules {
  /** Aborted when the shutdown is, or becomes, cold. */
  readonly cold: AbortController;
  /** After so long a warm shutdown becomes cold; `null`: never. */
  readonly timeoutMs: number | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a store that does not answer may hold up a step of the shutdown. */
const stepMs = 15_000;
/** The same for a store that is known to be away, all steps together: `docker stop` leaves 10 s. */
const awayMs = 3000;
const pollIntervalMs = 250;
/** A cold shutdown does not ask a store that refuses for longer. */
const coldRetryMs = 3000;

/** Ends a worker so that nothing is in limbo: what runs is finished, or given back. Never rejects. */
export async function shutDown(parts: ShutdownParts, rules: ShutdownRules): Promise<void> {
  const { loop, slots, active, prefetchGate, pool, scaler, retrier, sources, transport, unsubscribe } = parts;
  const { cold, timeoutMs, clock, logger } = rules;
  retrier.limit();
  const left = loop.stop(); // before anything is given back, which would come to us again
  prefetchGate?.close(); // what was fetched ahead goes back
  await scaler?.stop();
  const away = { leftMs: awayMs };
  const patient = (step: Promise<void>): Promise<boolean> => whileThere(step, transport, away, clock);
  // A claim that does not come back must not keep the worker. What it may still bring is given back by the loop.
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
      logger.error({ held }, `${held} tasks could not be settled: they go back when their lease runs out`);
    }
  }
  await pool.stop();
  const closed = sources.close().catch((error: unknown) => {
    logger.error(
      { err: error },
      `cannot leave the broker in order: ${String(error)}; what is still held goes back when its lease runs out`,
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
