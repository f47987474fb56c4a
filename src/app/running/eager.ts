// Running a call in this process, as a worker would: `apply`, and all calls with `taskAlwaysEager`.

import { decodeOptions } from '../../config/config.ts';
import { SoftTimeLimitExceeded, TimeLimitExceeded } from '../../errors.ts';
import { longestTimerMs } from '../../lib/clock.ts';
import { type Logger, silentLogger } from '../../lib/logger.ts';
import { encodeException } from '../../protocol/exception.ts';
import type { TaskMessage, WireSignature } from '../../protocol/message.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import type { ResultRecord } from '../../protocol/result-meta.ts';
import { decodeTask } from '../../protocol/task.ts';
import { scaleOf } from '../../sending/address.ts';
import { encodeCall } from '../../sending/encode.ts';
import { type PreparedCall, retryMessage } from '../../sending/prepare.ts';
import type { App } from '../app.ts';
import type { AnyTask } from '../task.ts';
import { currentTask } from './context.ts';
import { type Outcome, Reject } from './outcome.ts';
import { type TaskRequest, toRequest } from './request.ts';
import { type RunContext, runHooks, runTask } from './run.ts';

/** The end of a call. */
interface EagerEnd {
  /** As a result backend would return it. */
  readonly record: ResultRecord;
  /** The error that the task threw, if it failed. */
  readonly error: Error | null;
  /** The workflow that takes its place; then the call has no end of its own. */
  readonly replacement: WireSignature | null;
  /** The call as it ran last. */
  readonly message: TaskMessage;
}

/** Runs a call to its end, with its hooks, signals and limits. Retries follow at once, without their delay, as in Celery. */
export async function runEagerly(task: AnyTask, call: TaskMessage, queue: string): Promise<EagerEnd> {
  let message = call;
  for (;;) {
    const request = toRequest(message, { queue, redelivered: false, hostname: eagerName, isEager: true });
    const context = new EagerContext(request, currentTask()?.logger ?? silentLogger);
    const outcome = await withLimits(task, context);
    const end = { ...endOf(outcome, request), message, replacement: replacementIn(outcome) };
    await runHooks(
      task,
      context,
      end.error !== null && outcome.kind === 'success' ? failureOf(end.error) : outcome,
    );
    if (outcome.kind !== 'retry') return end;
    message = {
      ...retryMessage(message, outcome.retry, Date.now(), scaleOf(task.app, queue)),
      eta: null,
    };
  }
}

const eagerName = `eager@${process.pid}`;

class EagerContext implements RunContext {
  readonly request: TaskRequest;
  readonly logger: Logger;
  readonly abort: AbortController = new AbortController();

  constructor(request: TaskRequest, logger: Logger) {
    this.request = request;
    this.logger = logger;
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  /** A state that nobody can read before the end. */
  async updateState(): Promise<void> {}

  log(message: string): void {
    this.logger.info({}, message);
  }
}

async function withLimits(task: AnyTask, context: EagerContext): Promise<Outcome> {
  const { message } = context.request;
  const soft = message.softTimeLimit ?? task.options.softTimeLimit;
  const hard = message.timeLimit ?? task.options.timeLimit;
  if (soft === null && hard === null) return runTask(task, context);
  const timers: NodeJS.Timeout[] = [];
  if (soft !== null)
    timers.push(setTimeout(() => context.abort.abort(new SoftTimeLimitExceeded(soft)), timerMs(soft)));
  const ends = [runTask(task, context)];
  if (hard !== null) {
    ends.push(
      new Promise((resolve) => {
        timers.push(
          setTimeout(() => {
            const error = new TimeLimitExceeded(hard);
            context.abort.abort(error);
            resolve(failureOf(error));
          }, timerMs(hard)),
        );
      }),
    );
  }
  try {
    return await Promise.race(ends);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** Longer times become 25 days, about the longest that a timer can have. */
function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, longestTimerMs);
}

function failureOf(error: Error): Outcome {
  return { kind: 'failure', error, expected: false };
}

/** The end as a store would return it: a result that cannot be stored is a failure here, too. */
function endOf(outcome: Outcome, request: TaskRequest): Pick<EagerEnd, 'record' | 'error'> {
  const error = errorOf(outcome);
  const base = {
    taskId: request.id,
    children: request.children,
    parentId: request.parentId,
    groupId: request.group,
  };
  try {
    if (error !== null) {
      const { exception, traceback } = encodeException(error);
      return {
        error,
        record: stored({ ...base, status: 'FAILURE', result: exception, traceback, dateDone: new Date() }),
      };
    }
    const value = outcome.kind === 'success' ? (outcome.value ?? null) : null;
    const status = outcome.kind === 'ignored' ? 'IGNORED' : 'SUCCESS';
    return {
      error,
      record: stored({ ...base, status, result: value, traceback: null, dateDone: new Date() }),
    };
  } catch (unwritable) {
    if (error !== null || !(unwritable instanceof Error)) throw unwritable;
    return endOf(failureOf(unwritable), request);
  }
}

function errorOf(outcome: Outcome): Error | null {
  if (outcome.kind === 'failure') return outcome.error;
  return outcome.kind === 'rejected' ? new Reject(outcome.reason, { requeue: outcome.requeue }) : null;
}

function stored(record: ResultRecord): ResultRecord {
  const decoded = decodeResult(encodeResult(record));
  if (!decoded.ok) throw new Error(`the result cannot be read back: ${decoded.refusal.detail}`);
  return decoded.value;
}

function replacementIn(outcome: Outcome): WireSignature | null {
  return outcome.kind === 'replaced' ? outcome.signature : null;
}

/** The call as it would arrive: encoded and decoded, so that a call that cannot be sent fails here, too. */
export function rewritten(app: App, { message, encoding }: PreparedCall): TaskMessage {
  const wire = encodeCall(app, message, encoding);
  const options = decodeOptions(app.config);
  const read = decodeTask(wire, { ...options, accept: [...options.accept, encoding.serializer] });
  if (!read.ok) throw new Error(`the call of '${message.task}' cannot be read back: ${read.refusal.detail}`);
  return read.value;
}
