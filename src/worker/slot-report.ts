// Logs what every slot is doing, for people: at SIGUSR1, as Celery shows its stacks.

import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { redactedRepr } from '../lib/redact.ts';
import { reprArgs, saferepr } from '../protocol/saferepr.ts';
import type { ActiveTasks } from './active-tasks.ts';
import type { Pool } from './pools/pool.ts';
import type { Slots } from './slots.ts';

/** Calls `logSlots` at SIGUSR1, which then starts no debugger. Dispose to remove the handler. */
export function onSlotsSignal(logSlots: () => Promise<void>): Disposable {
  if (process.platform === 'win32') return { [Symbol.dispose]: () => undefined };
  const handle = (): void => void logSlots();
  process.on('SIGUSR1', handle);
  return { [Symbol.dispose]: () => void process.off('SIGUSR1', handle) };
}

interface SlotParts {
  readonly active: Pick<ActiveTasks, 'running' | 'inHand'>;
  readonly slots: Pick<Slots, 'size'>;
  readonly pool: Pick<Pool, 'name' | 'report' | 'stacks'>;
}

/** `name`: the worker's name. */
interface SlotRules {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Logs one line for the worker, and one for each running task. Never rejects. */
export async function logSlots(parts: SlotParts | null, { name, clock, logger }: SlotRules): Promise<void> {
  if (parts === null) {
    logger.warn({}, `SIGUSR1: ${name} runs nothing now: it is starting`);
    return;
  }
  const { slots, pool } = parts;
  const { running: runs, inHand } = parts.active;
  const { size } = slots;
  const running = [...runs];
  const between = inHand.size - running.length;
  logger.warn(
    { node: name, pool: pool.name, concurrency: size, running: running.length, begin_or_settle: between },
    `SIGUSR1: ${name} runs ${running.length} of ${size} tasks at a time (pool ${pool.name}); ${between} more begin, or are being settled`,
  );
  const places = pool.report();
  const stacks: ReadonlyMap<string, string> = (await pool.stacks?.().catch(() => undefined)) ?? new Map();
  const now = clock.now();
  for (const [{ request }, sinceMs] of running) {
    const { id, task, args, kwargs, queue, retries } = request;
    const pid = places.find(({ taskId }) => taskId === id)?.pid ?? process.pid;
    const runtime = Math.round(now - sinceMs) / 1000;
    const stack = stacks.get(id);
    const shown = { args: redactedRepr(reprArgs(args)), kwargs: redactedRepr(saferepr(kwargs)) };
    const fields = { task_id: id, task_name: task, since: new Date(sinceMs), runtime, pid, queue, retries };
    logger.warn(
      { ...fields, ...shown, ...(stack !== undefined && { stack }) },
      `Task ${task}[${id}] runs since ${runtime}s: args=${shown.args} kwargs=${shown.kwargs}${stack === undefined ? '' : `\n${stack}`}`,
    );
  }
}
