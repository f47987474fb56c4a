// Runs many tasks of the history again, as a job that is kept with the history. It can be paused, and it continues after its process was killed.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseRate, type Rate } from '../config/rate.ts';
import {
  BrokerUnavailable,
  RetryJobError,
  SendUnconfirmed,
  StoreError,
  TaskNotRetriableError,
  UmbelError,
} from '../errors.ts';
import type { RecordedState } from '../history/record.ts';
import { systemClock } from '../lib/clock.ts';
import type { HistoryJobs, JobItem, JobRow, JobState } from '../stores/history-jobs.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import { alreadyRetried, itemsOf } from './retry-preflight.ts';
import { linkOf, sendAgain } from './retry-task.ts';
import { sendOnceGuards } from './send-once.ts';
import type { RetryAllOptions, RetryTaskChanges } from './task-history.ts';

/** What a job does. Kept as JSON. */
export interface RetryJobSettings {
  readonly query: string;
  /** For people: the user who started it. */
  readonly by: string;
  readonly reason: string;
  /** New runs that are sent in a second; null: as fast as the broker takes them. */
  readonly rate: number | null;
  /** The share of new runs, 0 to 1, above which it pauses if they fail again; null: it never pauses by itself. */
  readonly stopAt: number | null;
  /** It includes tasks that were run again before. */
  readonly again: boolean;
  /** The queue of the new runs; absent: the old ones' queues. */
  readonly queue?: RetryTaskChanges['queue'];
  readonly priority?: RetryTaskChanges['priority'];
}

/** A job at this moment. */
export interface RetryJobStatus extends Omit<RetryJobSettings, 'queue' | 'priority'> {
  /** The job's id. */
  readonly id: string;
  /** Whether it runs, is paused, or has ended and how. */
  readonly state: JobState;
  /** Why it is paused; or, of one that is planned, why its preparation has stopped: `prepare` goes on. Else empty. */
  readonly pauseReason: string;
  /** When it was created. */
  readonly createdAt: Date;
  /** The tasks that the query found: the sum of the next four. */
  readonly total: number;
  /** Not sent yet. */
  readonly open: number;
  /** Being sent; or, when the job does not run, possibly sent: `run` finds out. */
  readonly sending: number;
  /** New runs that were sent. */
  readonly sent: number;
  /** Cannot run again. */
  readonly refused: number;
  /** The most frequent reasons for which tasks cannot run again. */
  readonly problems: readonly { readonly problem: string; readonly tasks: number }[];
  /** The new runs in the history, by state. */
  readonly outcomes: Readonly<Partial<Record<RecordedState, number>>>;
}

/** How to run a job from now on. */
export interface RunRetryJobOptions {
  /** Another pace from now on: new runs sent in a second (a number), `'20/s'`, `'100/m'`; 0: as fast as the broker takes them. Default: as before. */
  readonly rate?: Rate;
  /** Pauses the job between two batches. */
  readonly signal?: AbortSignal;
  /** Called about every second. */
  readonly onProgress?: (status: RetryJobStatus) => void;
}

/** A runner is taken for dead when it has not written for this time, milliseconds. */
const deadMs = 30_000;
/** How often a runner writes that it lives, milliseconds. */
const aliveEveryMs = 5_000;
/** How often a runner looks whether it should stop, milliseconds. */
const checkEveryMs = 250;
/** How often it reports progress, and checks its stop rule, milliseconds. */
const reportEveryMs = 1_000;
/** How long `run` waits for the end of a paused runner's last batch: this many times, with this pause, milliseconds. */
const handOver = { tries: 50, pauseMs: 100 };
/** How many tasks are sent together, at most. */
const maxBatch = 50;
/** The stop rule is checked when this number of new runs has ended, or all of them. */
const minEnded = 20;

const failures: readonly RecordedState[] = ['FAILURE', 'REJECTED'];
const ends: readonly RecordedState[] = ['SUCCESS', 'REVOKED', ...failures];

type Guards = Awaited<ReturnType<typeof sendOnceGuards>>;
type Ended = Readonly<Record<'ended' | 'failed', number>>;

/**
 * A job that runs tasks again: made by `app.history.retryAll`, found by `app.history.retryJob`. The id of each new run is stored before it is sent, and each
 * task is marked before and after it was sent. So a job whose process was killed can be run again: it leaves no task out, and sends no task twice.
 */
export class RetryJob {
  /** Its id, for `app.history.retryJob`. */
  readonly id: string;
  readonly #app: App;
  readonly #store: HistoryStore;
  readonly #jobs: HistoryJobs;
  /** @internal */
  readonly runner = `${hostname()}/${process.pid}/${randomUUID()}`;

  /** @internal */
  constructor(id: string, app: App, store: HistoryStore, jobs: HistoryJobs) {
    this.id = id;
    this.#app = app;
    this.#store = store;
    this.#jobs = jobs;
  }

  /**
   * How far it is.
   * @throws StoreError when the history cannot be read
   */
  async status(): Promise<RetryJobStatus> {
    const row = await this.#row();
    const [counts, problems, outcomes] = await Promise.all([
      this.#jobs.counts(this.id),
      this.#jobs.problems(this.id, 20),
      this.#jobs.outcomes(this.id),
    ]);
    const { queue: _, priority: __, ...settings } = settingsOf(row);
    const isLeft = isGone(row.runner, row.aliveAt);
    return {
      id: this.id,
      ...(row.state === 'running' && isLeft
        ? { state: 'paused', pauseReason: 'its process died' }
        : { state: row.state, pauseReason: row.pauseReason }),
      ...(row.state === 'planning' && isLeft && { pauseReason: row.pauseReason || 'its process died' }),
      ...settings,
      createdAt: new Date(row.createdAt),
      total: counts.open + counts.sending + counts.sent + counts.refused,
      ...counts,
      problems: problems.map(([problem, tasks]) => ({ problem, tasks })),
      outcomes: Object.fromEntries(outcomes),
    };
  }

  /**
   * Finds the tasks of a job that was made with `prepare: false`, or whose preparation has stopped, also because its process died. Nothing is sent.
   * Resolves when they are known, or the job was aborted. If it fails, `pauseReason` says why, and it can be called again.
   * @throws RetryJobError if the job is prepared already, or another process prepares it; the reason of `signal`; StoreError, BrokerUnavailable
   */
  async prepare({
    registered,
    signal,
  }: Pick<RetryAllOptions, 'registered' | 'signal'> = {}): Promise<RetryJobStatus> {
    const when = { from: ['planning'] } as const;
    const allowed = (runner: string | null, aliveAt: number): boolean =>
      this.#isMine(runner) || isGone(runner, aliveAt);
    const taken = { runner: this.runner, aliveAt: Date.now(), pauseReason: '' };
    const row = await this.#row();
    if (!(await this.#jobs.change(this.id, taken, { ...when, allowed })))
      throw new RetryJobError(
        this.id,
        row.state === 'planning' ? problemOf(row) : `is ${row.state}: it is prepared already`,
      );
    const { query, again } = settingsOf(row);
    const preflight = { app: this.#app, again, registered: registered ? new Set(registered) : null };
    const mine = { ...when, allowed: this.#isMine };
    try {
      for await (const items of itemsOf(this.id, query, this.#store, preflight)) {
        signal?.throwIfAborted();
        if (!(await this.#jobs.change(this.id, { aliveAt: Date.now() }, mine))) return await this.status();
        await this.#jobs.add(this.id, items);
      }
      await this.#jobs.change(this.id, { state: 'ready', runner: null }, mine);
    } catch (error) {
      const pauseReason = signal?.aborted ? 'its process was stopped' : String(error);
      // If the store does not answer: the preparation of a process that has ended can go on anyway.
      await this.#jobs.change(this.id, { runner: null, pauseReason }, mine).catch(() => undefined);
      throw error;
    }
    return this.status();
  }

  /**
   * Sends the tasks that were not sent yet, at the job's rate, or another one from now on: starts a job, or resumes one that was paused or whose process died. Resolves when all are
   * sent, or the job was paused or aborted: `state` says which.
   * @throws RetryJobError if it was aborted, or another process runs it. BrokerUnavailable, SendUnconfirmed, and other errors that concern not only one
   * task: the job is paused
   */
  async run({ rate, signal, onProgress }: RunRetryJobOptions = {}): Promise<RetryJobStatus> {
    const newRate = rate === undefined ? undefined : parseRate(rate, 'rate');
    const row = await this.#row();
    if (row.state === 'done') return this.status();
    const settings = { ...settingsOf(row), ...(newRate !== undefined && { rate: newRate }) };
    const { query, reason } = settings;
    await this.#app.audit.record('job.run', `${this.id}: ${query}`, { reason });
    await this.#take(JSON.stringify(settings));
    try {
      const guards = await sendOnceGuards(this.#app);
      await this.#sendUncertain(row, settings, guards);
      await this.#sendAll(row, settings, guards, signal, onProgress);
      if (signal?.aborted) await this.#end('paused', 'its process was stopped');
      await this.#release();
    } catch (error) {
      // If the store does not answer: a job whose process has ended can be run again anyway.
      await this.#end('paused', error instanceof Error ? error.message : String(error)).catch(
        () => undefined,
      );
      await this.#release().catch(() => undefined);
      throw error;
    }
    return this.status();
  }

  /** Pauses it, in whatever process it runs: no further batch is sent. False: it does not run, and is not ready to. */
  async pause(reason = 'by a user'): Promise<boolean> {
    await this.#app.audit.record('job.pause', this.id);
    return this.#jobs.change(
      this.id,
      { state: 'paused', pauseReason: reason },
      { from: ['ready', 'running'] },
    );
  }

  /** Ends it. What was sent stays sent. False: it has ended already. */
  async abort(): Promise<boolean> {
    await this.#app.audit.record('job.abort', this.id);
    return this.#jobs.change(
      this.id,
      { state: 'aborted', pauseReason: '' },
      { from: ['planning', 'ready', 'running', 'paused'] },
    );
  }

  /** Deletes it, for example after a preflight that is not followed by a run. @throws RetryJobError if it has begun to send and has not ended */
  async delete(): Promise<void> {
    const { state } = await this.#row();
    if (state === 'running' || state === 'paused')
      throw new RetryJobError(this.id, `is ${state}: abort it first`);
    await this.#jobs.delete(this.id);
  }

  async #take(settings: string): Promise<void> {
    for (let tries = handOver.tries; ; tries--) {
      const taken = await this.#jobs.change(
        this.id,
        { state: 'running', pauseReason: '', settings, runner: this.runner, aliveAt: Date.now() },
        { from: ['ready', 'running', 'paused'], allowed: isGone },
      );
      if (taken) return;
      const row = await this.#row();
      // A process that was told to pause ends its last batch.
      if (row.state !== 'paused' || tries === 0) throw new RetryJobError(this.id, problemOf(row));
      await systemClock.sleep(handOver.pauseMs);
    }
  }

  /** Sends the tasks of a process that died, or lost its broker, while it sent them. */
  async #sendUncertain(row: JobRow, settings: RetryJobSettings, guards: Guards): Promise<void> {
    for (;;) {
      const items = await this.#jobs.items(this.id, 'sending', maxBatch);
      if (items.length === 0) return;
      const wasSent = await Promise.all(items.map(({ newId }) => this.#isKnown(newId)));
      await this.#sent(
        row,
        items.filter((_, n) => wasSent[n]),
      );
      await this.#send(
        row,
        settings,
        items.filter((_, n) => !wasSent[n]),
        guards,
        true,
      );
    }
  }

  /** Whether the history or the results know this task. False says nothing: the guards of {@link #send} prevent a second message. */
  async #isKnown(newId: string): Promise<boolean> {
    if ((await this.#store.get(newId)) !== null) return true;
    const { backend } = await this.#app.open();
    const record = await backend?.get(newId);
    // A result that waits may have been recorded in another store, before the message was sent.
    return record !== undefined && record.status !== 'PENDING';
  }

  async #sendAll(
    row: JobRow,
    settings: RetryJobSettings,
    guards: Guards,
    signal: AbortSignal | undefined,
    onProgress: RunRetryJobOptions['onProgress'],
  ): Promise<void> {
    const { rate, stopAt } = settings;
    const batch = rate === null ? maxBatch : Math.min(maxBatch, Math.max(1, Math.floor(rate / 5)));
    const before = stopAt === null ? { ended: 0, failed: 0 } : await this.#ended();
    let aliveMs = performance.now();
    let reportMs = performance.now() + reportEveryMs;
    /** Whether the job still runs here. */
    const check = async (): Promise<boolean> => {
      const now = performance.now();
      const { state, runner } = await this.#row();
      if (signal?.aborted || state !== 'running' || runner !== this.runner) return false;
      if (now - aliveMs >= aliveEveryMs) {
        aliveMs = now;
        await this.#jobs.change(
          this.id,
          { aliveAt: Date.now() },
          { from: ['running'], allowed: this.#isMine },
        );
      }
      if (now < reportMs) return true;
      onProgress?.(await this.status());
      const stopped = stopAt !== null && (await this.#stopped(stopAt, before));
      // A large job is counted less often: counting takes at most a tenth of the time.
      reportMs = performance.now() + Math.max(reportEveryMs, 10 * (performance.now() - now));
      return !stopped;
    };
    for (let nextMs = performance.now(); ; ) {
      do {
        if (!(await check())) return;
        const waitMs = Math.min(checkEveryMs, nextMs - performance.now());
        if (waitMs > 0) await systemClock.sleep(waitMs, signal).catch(() => undefined);
      } while (performance.now() < nextMs && signal?.aborted !== true);
      if (signal?.aborted) return;
      const items = await this.#jobs.claim(this.id, this.runner, batch);
      if (items === null) return;
      if (items.length === 0) {
        await this.#end('done', '');
        return;
      }
      if (rate !== null)
        nextMs = Math.max(nextMs, performance.now() - checkEveryMs) + (items.length / rate) * 1000;
      await this.#send(row, settings, items, guards, false);
    }
  }

  async #send(
    row: JobRow,
    { queue, priority, again }: RetryJobSettings,
    items: readonly JobItem[],
    guards: Guards,
    maybeSent: boolean,
  ): Promise<void> {
    const changes = { ...(queue !== undefined && { queue }), ...(priority !== undefined && { priority }) };
    // All are read before the first is sent, so that they are sent in their order.
    const records = await Promise.all(items.map(({ original }) => this.#store.get(original)));
    const outcomes = await Promise.allSettled(
      items.map(async ({ original, newId }, n) => {
        const record = records[n] ?? null;
        if (!again && !maybeSent && record?.retriedAs.some((other) => other !== newId))
          throw new TaskNotRetriableError(original, alreadyRetried);
        const guard = guards(newId);
        const { id } = await sendAgain(this.#app, original, record, changes, { newId, guard });
        if (id !== newId)
          throw new TaskNotRetriableError(original, `its task is unique, and ${id} has not ended`);
      }),
    );
    await this.#sent(
      row,
      items.filter((_, n) => outcomes[n]?.status === 'fulfilled'),
    );
    const refused = items.flatMap(({ original }, n) => {
      const outcome = outcomes[n];
      const problem = outcome?.status === 'rejected' ? refusalOf(outcome.reason) : null;
      return problem === null ? [] : [{ original, state: 'refused' as const, problem }];
    });
    if (refused.length > 0) await this.#jobs.mark(this.id, refused);
    // The others stay marked as `sending`: the next run finds out whether they were sent.
    for (const outcome of outcomes)
      if (outcome.status === 'rejected' && refusalOf(outcome.reason) === null) throw outcome.reason;
  }

  async #sent({ createdAt }: JobRow, items: readonly JobItem[]): Promise<void> {
    if (items.length === 0) return;
    // The same link each time, if the process dies before the next write and the link is written again.
    const when = { at: createdAt, clock: 0, node: `job:${this.id}` };
    await this.#store.merge(
      items.map(({ original, newId }) => linkOf(original, newId, when)),
      null,
    );
    await this.#jobs.mark(
      this.id,
      items.map(({ original }) => ({ original, state: 'sent', problem: '' })),
    );
  }

  /** Pauses the job if too many new runs have failed since it was started or resumed. */
  async #stopped(stopAt: number, before: Ended): Promise<boolean> {
    const now = await this.#ended();
    const ended = now.ended - before.ended;
    const failed = now.failed - before.failed;
    const { open, sending, sent } = await this.#jobs.counts(this.id);
    if (ended < Math.min(minEnded, open + sending + sent - before.ended) || failed <= stopAt * ended)
      return false;
    const share = Math.round((failed / ended) * 100);
    return this.#end('paused', `${failed} of ${ended} new runs failed again (${share} %)`);
  }

  async #ended(): Promise<Ended> {
    const outcomes = await this.#jobs.outcomes(this.id);
    const count = (states: readonly RecordedState[]): number =>
      states.reduce((sum, state) => sum + (outcomes.get(state) ?? 0), 0);
    return { ended: count(ends), failed: count(failures) };
  }

  #end(state: 'done' | 'paused', pauseReason: string): Promise<boolean> {
    return this.#jobs.change(this.id, { state, pauseReason }, { from: ['running'], allowed: this.#isMine });
  }

  /** Another process may run it from now on. */
  async #release(): Promise<void> {
    await this.#jobs.change(this.id, { runner: null }, { from: anyState, allowed: this.#isMine });
  }

  readonly #isMine = (runner: string | null): boolean => runner === this.runner;

  async #row(): Promise<JobRow> {
    const row = await this.#jobs.get(this.id);
    if (row === null) throw new RetryJobError(this.id, 'is not in the history; see: umbel tasks job list');
    return row;
  }
}

const anyState: readonly JobState[] = ['planning', 'ready', 'running', 'paused', 'done', 'aborted'];

/** Whether no live process runs the job. */
function isGone(runner: string | null, aliveAt: number): boolean {
  if (runner === null || Date.now() - aliveAt > deadMs) return true;
  const [host, pid] = runner.split('/');
  return host === hostname() && Number(pid) !== process.pid && !lives(Number(pid));
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // of another user
  }
}

function problemOf({ state, runner, aliveAt }: JobRow): string {
  if (state === 'aborted') return 'was aborted';
  if (state === 'planning')
    return isGone(runner, aliveAt)
      ? 'is not ready: its preparation has stopped; see: umbel tasks job prepare'
      : 'is not ready: its tasks are being gathered';
  return `is run by another process (${runner ?? '?'})`;
}

/** Why this task cannot be sent; null: the error concerns not only this task, or the task may have been sent. */
function refusalOf(error: unknown): string | null {
  if (error instanceof TaskNotRetriableError) return error.reason;
  const isGeneral =
    error instanceof BrokerUnavailable || error instanceof SendUnconfirmed || error instanceof StoreError;
  return error instanceof UmbelError && !isGeneral ? error.message : null;
}

function settingsOf({ settings }: JobRow): RetryJobSettings {
  return JSON.parse(settings) as RetryJobSettings; // as `planRetryJob` wrote it
}
