// Sends runs, and records that they were sent.
import type { App } from '../app/app.ts';
import { sendRun } from '../app/scheduled-send.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import { isReady } from '../protocol/result-meta.ts';
import type { RunRecord, ScheduleStore } from '../stores/schedule-store.ts';
import type { Entry } from './entry.ts';
import { taskOf } from './entry.ts';
import type { Term } from './leadership.ts';
import { callOf, optionsOf } from './run-call.ts';
import { runId } from './run-id.ts';
import { RunRecorder } from './run-recorder.ts';
import type { StoreClock } from './store-clock.ts';

interface DispatchOptions {
  readonly app: App;
  readonly store: ScheduleStore;
  readonly time: StoreClock;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The store says that another beat leads. */
  readonly onFenced: () => void;
}

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #recorder: RunRecorder;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#recorder = new RunRecorder(options.store);
  }

  /**
   * Sends the run that is due at `dueMs`, and records it. Null: it was refused, since it is settled already, another beat leads, or the
   * schedule is gone.
   * @throws BrokerUnavailable, SendUnconfirmed: send it again, under the same id
   */
  async send(entry: Entry, dueMs: number, term: Term): Promise<RunRecord | null> {
    const { app, store, time, logger } = this.#options;
    const taskId = runId(app.name, entry.name, dueMs);
    const run: RunRecord = {
      name: entry.name,
      dueMs,
      untilMs: dueMs,
      atMs: Math.floor(time.now()),
      outcome: 'sent',
      taskId,
      detail: null,
    };
    let accepted = false;
    const note = store.writeOf?.(term.fence, run) ?? null;
    const recordWrite = note && {
      store: note.store,
      apply: (transaction: never): boolean => {
        accepted = note.apply(transaction);
        return accepted;
      },
    };
    let carried: boolean;
    try {
      const call = await callOf(app, entry, { name: entry.name, due: new Date(dueMs), taskId });
      // Computing the arguments may have taken long.
      if (!term.holds()) return null;
      carried = await sendRun(app, call, { ...optionsOf(entry, taskId), signal: term.signal }, recordWrite);
    } catch (error) {
      if (term.signal.aborted || error instanceof BrokerUnavailable || error instanceof SendUnconfirmed)
        throw error;
      const failed: RunRecord = { ...run, outcome: 'failed', taskId: null, detail: wordsOf(error) };
      logger.error({ err: error, schedule: entry.name }, `'${entry.name}' cannot be sent`);
      await this.record(failed, term);
      return failed;
    }
    if (carried && !accepted) return null;
    if (!carried) await this.#recordSent(run, term);
    logger.info(
      { schedule: entry.name, task: taskOf(entry), task_id: taskId, due: new Date(dueMs).toISOString() },
      `sent '${entry.name}' (${taskOf(entry)})`,
    );
    return run;
  }

  /** Records the outcome of a run. @throws BrokerUnavailable; an error when another beat leads */
  async record(run: RunRecord, term: Term): Promise<void> {
    if ((await this.#recorder.record(term.fence, run)) === 'recorded') return;
    this.#options.onFenced();
    throw new Error('another beat leads');
  }

  /** The run was sent, so it is recorded until that succeeds: a failure must not make this beat send it again. */
  async #recordSent(run: RunRecord, term: Term): Promise<void> {
    // Without the term's signal: it is tried at least once, also when the term has ended meanwhile.
    const when = (error: unknown): boolean => error instanceof BrokerUnavailable && !term.signal.aborted;
    const { clock } = this.#options;
    await retrying(() => this.record(run, term), { policy: retryPolicy, clock, when });
  }

  /** What happens to a run if the run before may not have ended. */
  async mayOverlap(entry: Entry): Promise<'send' | 'skip' | 'wait'> {
    const { overlap } = entry.policy;
    if (overlap === 'allow' || (await this.#hasEnded(entry))) return 'send';
    return overlap === 'queue' ? 'wait' : 'skip';
  }

  async #hasEnded(entry: Entry): Promise<boolean> {
    const { app, store, time } = this.#options;
    const { lastTaskId, lastRunMs } = (await store.get(entry.name))?.state ?? {};
    if (!lastTaskId || !lastRunMs) return true;
    const backend = await app.backend();
    if (backend === null) return true;
    const record = await backend.get(lastTaskId);
    if (record !== undefined) return isReady(record.status);
    // Some backends know nothing of a task before it has ended, and none knows it for ever.
    const keptMs = (app.config.resultExpires ?? oneDay) * 1000;
    return backend.features.remembersSent || time.now() - lastRunMs > keptMs;
  }
}

const oneDay = 86_400;
const retryPolicy = { factor: 100, maximum: 1000, jitter: true } as const;

function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > 500 ? `${text.slice(0, 499)}…` : text;
}
