// One run of a task: what its code sees, its time limits, and the one place that decides how it ended.
import type { Outcome } from '../app/running/outcome.ts';
import type { TaskRequest } from '../app/running/request.ts';
import type { RunContext } from '../app/running/run.ts';
import type { AnyTask } from '../app/task.ts';
import { LeaseLostError, SoftTimeLimitExceeded, TimeLimitExceeded } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger, LogLevel } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultTuple, TaskState } from '../protocol/result-meta.ts';
import type { Delivery } from '../stores/transport.ts';
import type { ExecutionOutcome, ProcessLost } from './outcome.ts';
import type { Pool } from './pools/pool.ts';
import { ignoresResult, type Subject } from './records.ts';
import { taskLogger } from './task-logger.ts';

/** Seconds; `null`: no limit. */
export interface RunLimits {
  readonly soft: number | null;
  readonly hard: number | null;
}

/** How many lines of a run are kept. */
const maxLines = 100;

/** What all runs of a worker share. */
export interface RunParts {
  readonly pool: Pick<Pool, 'execute' | 'terminate'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Stores a state of a task that has not ended. */
  readonly putState: (run: Run, state: TaskState, meta: unknown) => Promise<void>;
  /** Keeps a line that was logged in a run. */
  readonly keepLine: (run: Run, level: LogLevel, text: string) => void;
}

export class Run implements RunContext, Subject {
  readonly task: AnyTask;
  readonly request: TaskRequest;
  readonly delivery: Delivery;
  /** Its message is acknowledged before it runs. */
  readonly early: boolean;
  readonly #parts: RunParts;
  #end: ((outcome: ExecutionOutcome) => void) | null = null;
  #ended = false;
  #interrupted = false;
  #updates: Promise<void> | null = null;
  #lines = 0;
  #startedMs = 0;
  #endedMs = 0;
  /** Call off its time limits. */
  #limits: (() => void)[] | null = null;
  // Most tasks never use these: made on first use.
  #abort: AbortController | null = null;
  #abortReason: Error | null = null;
  #logger: Logger | null = null;

  constructor(task: AnyTask, request: TaskRequest, delivery: Delivery, parts: RunParts) {
    this.task = task;
    this.request = request;
    this.delivery = delivery;
    this.early = !task.options.acksLate || delivery.isBroadcast === true;
    this.#parts = parts;
  }

  /** Runs the task once. Resolves with the first of: the task's own outcome, its hard time limit, {@link interrupt}. */
  execute(limits: RunLimits): Promise<ExecutionOutcome> {
    this.#startedMs = this.#parts.clock.monotonic();
    return new Promise((resolve) => {
      this.#end = resolve;
      // Time that a task waits for a child of its pool does not count.
      const begin = (): boolean => {
        if (this.#ended) return false;
        if (limits.soft !== null || limits.hard !== null) this.#watchTime(limits);
        return true;
      };
      void this.#parts.pool.execute(this.task, this, begin).then((outcome) => this.#finish(outcome));
    });
  }

  /** Ends the run from outside: the signal asks its code to stop, and a value that it still returns is discarded. */
  interrupt(reason: Error, outcome: ExecutionOutcome): void {
    if (this.#ended) return;
    this.#interrupted = true;
    this.#decide(outcome);
    this.#abortWith(reason);
    if (!this.#parts.pool.terminate(this, outcome.kind === 'revoked' ? outcome.signum : null)) {
      this.logger.warn(
        { reason: reason.message },
        'the run was ended, but its code may still be running: this pool can only ask it to stop, by its signal',
      );
    }
  }

  get message(): TaskMessage {
    return this.request.message;
  }

  get queue(): string {
    return this.request.queue;
  }

  get ignoresResult(): boolean {
    return ignoresResult(this.request.message, this.task.options.ignoreResult);
  }

  get keepsErrors(): boolean {
    return this.task.options.storeErrorsEvenIfIgnored;
  }

  get children(): readonly ResultTuple[] {
    return this.request.children;
  }

  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController();
      if (this.#abortReason !== null) this.#abort.abort(this.#abortReason);
      else this.#watchLease();
    }
    return this.#abort.signal;
  }

  get logger(): Logger {
    this.#logger ??= taskLogger(
      this.#parts.logger,
      () => this.#logFields(),
      (level, text) => this.logged(level, text),
    );
    return this.#logger;
  }

  log(message: string): void {
    const { logger } = this.#parts;
    if (logger.isLevelEnabled?.('info') ?? true) logger.info(this.#logFields(), message);
    this.logged('info', message);
  }

  #logFields(): object {
    return { ...taskFields(this.request), ...this.task.app.middleware.logFields() };
  }

  /** A line was logged for this run: it is kept, if it is among the first. */
  logged(level: LogLevel, text: string): void {
    if (this.#lines > maxLines) return;
    const isLast = this.#lines++ === maxLines;
    this.#parts.keepLine(
      this,
      level,
      isLast ? `further lines are not kept (${maxLines} of an attempt)` : text,
    );
  }

  /** Writes states in sequence, so that the last one stays; a state that comes after the end is not written. */
  updateState(state: TaskState, meta?: unknown): Promise<void> {
    if (this.#ended) {
      this.logger.warn({ state }, 'updateState after the end of the task: not written');
      return Promise.resolve();
    }
    const put = (): Promise<void> => this.#parts.putState(this, state, meta);
    const written = this.#updates === null ? put() : this.#updates.then(put);
    // A state that is not awaited must not end the process when the store is away.
    this.#updates = written.catch(() => undefined);
    return written;
  }

  /** Resolves when the states given to `updateState` are written; `null` when there are none. */
  get updates(): Promise<void> | null {
    return this.#updates;
  }

  /** How long it ran, milliseconds; known when it has ended. */
  get runtimeMs(): number {
    return this.#endedMs - this.#startedMs;
  }

  /** It ended without its code: by its hard time limit, or a cold shutdown. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  #finish(outcome: Outcome | ProcessLost): void {
    if (!this.#ended) this.#decide(outcome);
    else this.logger.debug({ outcome: outcome.kind }, 'the task returned after its run was ended: discarded');
  }

  #decide(outcome: ExecutionOutcome): void {
    this.#ended = true;
    this.#endedMs = this.#parts.clock.monotonic();
    if (this.#limits !== null) for (const callOff of this.#limits) callOff();
    this.#end?.(outcome);
  }

  #abortWith(reason: Error): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }

  #watchLease(): void {
    const { lost } = this.delivery;
    const abort = (): void =>
      this.#abortWith(lost.reason instanceof Error ? lost.reason : new LeaseLostError());
    if (lost.aborted) abort();
    else lost.addEventListener('abort', abort, { once: true });
  }

  #watchTime({ soft, hard }: RunLimits): void {
    this.#limits = [];
    if (soft !== null) this.#after(soft, () => this.#abortWith(new SoftTimeLimitExceeded(soft)));
    if (hard === null) return;
    this.#after(hard, () => {
      const error = new TimeLimitExceeded(hard);
      this.interrupt(error, { kind: 'failure', error, expected: false });
    });
  }

  #after(seconds: number, act: () => void): void {
    this.#limits?.push(this.#parts.clock.after(seconds * 1000, act));
  }
}

/** The fields that name the task in a log line. */
export function taskFields(request: { readonly id: string; readonly task: string }): object {
  return { task_id: request.id, task_name: request.task };
}
