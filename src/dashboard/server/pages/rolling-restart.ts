// Restarts workers one after the other: the next only when the one before is back and answers.
import { randomUUID } from 'node:crypto';
import type { Control } from '../../../control/control.ts';
import type { Clock } from '../../../lib/clock.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import type { Locks } from '../../../stores/locks.ts';
import { numberOr } from './workers.ts';

/**
 * `silent`: it is its turn, and it does not answer yet. `ending`: it was told to shut down, and still answers. `away`: it does not answer: it ends, or
 * starts. A worker of Python's does not answer while it ends its tasks.
 */
type RestartState = 'waiting' | 'silent' | 'ending' | 'away' | 'back' | 'failed';

export interface RestartLine {
  readonly worker: string;
  readonly state: RestartState;
  /** When it was told to shut down, milliseconds since 1970. */
  readonly askedAt: number | null;
  /** When it answered again. */
  readonly backAt: number | null;
}

export interface RestartStatus {
  readonly state: 'running' | 'done' | 'stopped';
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly lines: readonly RestartLine[];
  /** Why it stopped before its end. */
  readonly problem: string | null;
  /** Somebody asked it to stop after this worker. */
  readonly stopping: boolean;
}

export interface RestartOrder {
  readonly workers: readonly string[];
  /** The time that each worker has to end its tasks and come back, seconds. */
  readonly patience: number;
  readonly by: string;
  /** Called before a worker is told to shut down. If it rejects, the restart stops. */
  readonly audit: (worker: string) => Promise<void>;
}

interface Tools {
  readonly control: Pick<Control, 'inspect' | 'shutdown'>;
  readonly clock: Clock;
  /** Undefined: no store keeps locks, and several dashboards may restart workers at once. */
  readonly locks: () => Promise<Locks | undefined>;
  /** Ends it between two looks: the worker that is away comes back by itself, and no further one is told. */
  readonly signal: AbortSignal;
  /** Called when a worker is back. */
  readonly onBack: () => void;
}

/** How often a worker is looked at, milliseconds. */
const lookMs = 1_000;
/** The lock of a dashboard that died ends after this time, milliseconds. It is extended at each look. */
const lockMs = 60_000;
const lockKey = 'workers:rolling-restart';

/** One at a time, in this process and, by a lock, among all dashboards of the store. */
export class RollingRestart {
  readonly #tools: Tools;
  #status: RestartStatus | null = null;
  #running: Promise<void> | null = null;
  #isStarting = false;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /** The last restart of this process; null: there was none. */
  get status(): RestartStatus | null {
    return this.#status;
  }

  /** Resolves when nothing runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Resolves when it has begun. Returns why it does not begin; null: it runs. @throws BrokerUnavailable */
  async start(order: RestartOrder): Promise<string | null> {
    if (this.#running !== null || this.#isStarting) return 'a rolling restart runs already';
    this.#isStarting = true;
    try {
      return await this.#begin(order);
    } finally {
      this.#isStarting = false;
    }
  }

  /** The worker that is away now comes back; no further one is told. False: nothing runs. */
  stop(): boolean {
    if (this.#status?.state !== 'running') return false;
    this.#status = { ...this.#status, stopping: true };
    return true;
  }

  async #begin(order: RestartOrder): Promise<string | null> {
    const { clock } = this.#tools;
    const id = `${order.by} ${randomUUID()}`;
    const locks = await this.#tools.locks();
    const other = await locks?.take({ key: lockKey, id, ttlMs: lockMs, replace: false });
    if (other !== null && other !== undefined)
      return `another dashboard restarts workers, for ${other.replace(/ \S+$/, '')}`;
    const silent: string[] = [];
    try {
      await Promise.all(
        order.workers.map(async (name) => {
          if ((await this.#look(name)) === null) silent.push(name);
        }),
      );
    } catch (error) {
      await locks?.release(lockKey, id).catch(() => undefined);
      throw error;
    }
    if (silent.length > 0) {
      await locks?.release(lockKey, id);
      return `${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not answer: start what is down first, or leave it out. A worker of Python's with -P solo does not answer while it runs a task`;
    }
    this.#status = {
      state: 'running',
      by: order.by,
      startedAt: clock.now(),
      lines: order.workers.map((worker) => ({ worker, state: 'waiting', askedAt: null, backAt: null })),
      problem: null,
      stopping: false,
    };
    const keep = async (): Promise<void> => {
      await locks?.extend({ key: lockKey, id, ttlMs: lockMs, replace: false });
      if (locks !== undefined && (await locks.owner(lockKey)) !== id)
        throw new Error('Another dashboard restarts workers now: this one was away for too long.');
    };
    this.#running = this.#run(order, keep)
      .then(
        () => this.#end('done', null),
        (error: unknown) => this.#end('stopped', error instanceof Error ? error.message : String(error)),
      )
      .then(() => locks?.release(lockKey, id).catch(() => undefined))
      .finally(() => {
        this.#running = null;
      });
    return null;
  }

  /** @throws Error with the sentence why it stops */
  async #run({ workers, patience, audit }: RestartOrder, keep: () => Promise<void>): Promise<void> {
    const { control, clock, signal } = this.#tools;
    for (const worker of workers) {
      const before = await this.#ready(worker, patience);
      await keep();
      await audit(worker);
      signal.throwIfAborted();
      await control.shutdown({ destination: [worker] });
      this.#change(worker, { state: 'ending', askedAt: clock.now() });
      const toldAt = clock.monotonic();
      for (;;) {
        const now = await this.#look(worker).catch(() => null); // the broker is away: it may come back in time
        const elapsed = (clock.monotonic() - toldAt) / 1000;
        if (now !== null && isAnother(before, now, elapsed)) break;
        this.#change(worker, { state: now === null ? 'away' : 'ending' });
        if (elapsed >= patience) {
          this.#change(worker, { state: 'failed' });
          const why = now === null ? awayFor(worker, patience, before) : stillRuns(worker, patience);
          throw new Error(worker === workers.at(-1) ? why : `${why} The others were not touched.`);
        }
        await keep().catch(() => undefined);
        await clock.sleep(lookMs, signal);
      }
      this.#change(worker, { state: 'back', backAt: clock.now() });
      this.#tools.onBack();
    }
  }

  /** What a worker tells that is to be restarted. Waits for one that is busy. @throws Error with the sentence why it stops */
  async #ready(worker: string, patience: number): Promise<Json> {
    const { clock, signal } = this.#tools;
    for (const late = clock.monotonic() + patience * 1000; ; ) {
      if (this.#status?.stopping === true)
        throw new Error('It was stopped by hand. The workers that wait were not touched.');
      const found = await this.#look(worker);
      if (found !== null && (numberOr(found.uptime) ?? minUptime) >= minUptime) return found;
      this.#change(worker, { state: found === null ? 'silent' : 'waiting' });
      if (found === null && clock.monotonic() >= late) {
        this.#change(worker, { state: 'failed' });
        throw new Error(
          `${worker} has not answered for ${patience} s. It was not told to shut down, and neither were those after it.`,
        );
      }
      await clock.sleep(lookMs, signal);
    }
  }

  /** What it tells of itself; null: it does not answer. */
  async #look(worker: string): Promise<Json | null> {
    const inspect = this.#tools.control.inspect({ destination: [worker], limit: 1 });
    return (await inspect.stats()).replies.get(worker) ?? null;
  }

  #change(worker: string, change: Partial<RestartLine>): void {
    if (this.#status === null) return;
    const lines = this.#status.lines.map((line) => (line.worker === worker ? { ...line, ...change } : line));
    this.#status = { ...this.#status, lines };
  }

  #end(state: 'done' | 'stopped', problem: string | null): void {
    if (this.#status !== null) this.#status = { ...this.#status, state, problem };
  }
}

/** The end of the tasks of a worker of Python's looks like a worker that is gone: a second one beside it would be a wrong advice. */
function awayFor(worker: string, patience: number, before: Json): string {
  return isOurs(before)
    ? `${worker} did not come back within ${patience} s: start it.`
    : `${worker} did not come back within ${patience} s. A worker of Python's does not answer while it ends its tasks: if its process is gone, start it.`;
}

function stillRuns(worker: string, patience: number): string {
  return `${worker} still runs after ${patience} s: its tasks take longer. It ends after them.`;
}

/** Its pool has a name of ours. Celery names its own, and `prefork` of Celery 5.2 has no name. */
function isOurs({ pool }: Json): boolean {
  return isRecord(pool) && String(pool.implementation).startsWith('umbel:');
}

/** A process that runs for a shorter time could not be told from the one that follows it, seconds. */
const minUptime = 3;

/** In a container each process may have the same id: then it is another one if it runs for a shorter time than the one before would. `elapsed`: seconds. */
function isAnother(before: Json, now: Json, elapsed: number): boolean {
  const [was, is] = [numberOr(before.uptime), numberOr(now.uptime)];
  return before.pid !== now.pid || (was !== null && is !== null && is < was + elapsed - 2);
}
