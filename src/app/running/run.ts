// One run of a task's code, and its outcome. The worker and `apply` share it.

import { checkNamed } from '../../config/priority.ts';
import { isRetryOptions, type RetryOptions } from '../../config/retry-options.ts';
import { MiddlewareError, WorkflowError } from '../../errors.ts';
import { type Logger, type LogLevel, type TaskLogger, withSentences } from '../../lib/logger.ts';
import { type Layer, MisusedNext, wrapped } from '../../lib/wrap.ts';
import type { TaskState } from '../../protocol/result-meta.ts';
import type { AsyncResult } from '../../results/async-result.ts';
import { bindArguments } from '../../sending/arguments.ts';
import { addToChord } from '../../workflow/add-to-chord.ts';
import type { App } from '../app.ts';
import type { AnySignature, Signature } from '../signature.ts';
import type { AnyTask, BoundTask } from '../task.ts';
import type { ResolvedTaskOptions } from '../task-options.ts';
import { checkArity } from './arity.ts';
import { runAs } from './context.ts';
import { Ignore, type Outcome, Reject, Replaced, Retry } from './outcome.ts';
import type { TaskRequest } from './request.ts';
import { isRetriedByItself, makeRetry } from './retry.ts';

/** The context of a run. */
export interface RunContext {
  readonly request: TaskRequest;
  /** Aborted when the code should stop. The getter may create it on first use. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
  updateState(state: TaskState, meta?: unknown): Promise<void>;
  /** Logs a line of the task's code, and keeps it with the task. */
  log(message: string): void;
  /** Keeps a line with the task that was logged in another process. Absent where none is kept. */
  logged?(level: LogLevel, text: string): void;
  /** The task was called like a function: nothing can run it again. */
  readonly direct?: boolean;
}

/**
 * Runs a task's code once: signal taskPrerun, schema, beforeStart, body. Never rejects: an error becomes an outcome. In it
 * {@link currentTask} returns the task.
 */
export function runTask(task: AnyTask, context: RunContext): Promise<Outcome> {
  const bound = new RunningTask(task, context);
  return runAs(bound, () => attempt(bound, context));
}

/** The task as its code sees it. */
export function bindTask(task: AnyTask, context: RunContext): BoundTask {
  return new RunningTask(task, context);
}

/**
 * Calls the task's hooks and then the receivers of its signals; null: there are none. Never rejects: an error that one throws is logged and
 * changes nothing.
 */
export function runHooks(task: AnyTask, context: RunContext, outcome: Outcome): Promise<void> | null {
  if (!hasListeners(task)) return null;
  const bound = new RunningTask(task, context);
  return runAs(bound, () => notifyListeners(bound, context, outcome));
}

class RunningTask implements BoundTask {
  readonly task: AnyTask;
  readonly #context: RunContext;
  #logger: TaskLogger | null = null;
  #retries = 0;
  #replacement: Replaced | null = null;
  #added = 0;

  constructor(task: AnyTask, context: RunContext) {
    this.task = task;
    this.#context = context;
  }

  get name(): string {
    return this.task.name;
  }
  get app(): App {
    return this.task.app;
  }
  get options(): ResolvedTaskOptions {
    return this.task.options;
  }
  get request(): TaskRequest {
    return this.#context.request;
  }
  get signal(): AbortSignal {
    return this.#context.signal;
  }
  get logger(): TaskLogger {
    this.#logger ??= withSentences(this.#context.logger);
    return this.#logger;
  }

  retry(error?: unknown, given?: RetryOptions): Retry {
    if (given === undefined && isRetryOptions(error)) return this.retry(undefined, error);
    const options = given ?? {};
    // As in Celery: called like a function, a task fails with the error for which it would have been retried.
    if (this.#context.direct) throw error instanceof Error ? error : new Retry(new Date(), options, error);
    const { id, retries } = this.request;
    const run = { name: this.name, id, retries, options: this.options };
    checkNamed(
      options.priority ?? null,
      this.app.config.taskDefaultPriority,
      `'priority' in the retry of '${this.name}'`,
    );
    this.#retries++;
    return makeRetry(run, error, options, { now: Date.now(), random: Math.random });
  }

  updateState(state: TaskState, meta?: unknown): Promise<void> {
    return this.#context.updateState(state, meta);
  }

  log(message: string): void {
    this.#context.log(message);
  }

  replace(signature: AnySignature): Replaced {
    if (this.#context.direct)
      throw new WorkflowError(`${this.name} was called like a function: there is nothing to replace`);
    this.#replacement = new Replaced(signature.toJSON());
    return this.#replacement;
  }

  addToChord<Out>(signature: Signature<[], Out>): Promise<AsyncResult<Out>> {
    return addToChord<Out>(this, signature.toJSON(), this.#added++);
  }

  /** In Celery `retry` throws by itself, so users of Celery may forget the `throw`. */
  warnOfForgottenThrow(): void {
    if (this.#retries > 0) {
      this.logger.warn(
        {},
        `${this.name} made a retry and ended without throwing it: write 'throw task.retry(…)'`,
      );
    }
    if (this.#replacement !== null)
      this.logger.warn(
        {},
        `${this.name} made a replacement and ended without throwing it: write 'throw task.replace(…)'`,
      );
  }
}

async function attempt(bound: RunningTask, context: RunContext): Promise<Outcome> {
  const { task } = bound;
  try {
    const { taskPrerun } = task.app.signals;
    if (taskPrerun.connected) await taskPrerun.send({ task, request: context.request }, context.logger);
    const layers = task.app.middleware.run;
    const returned =
      layers === null ? runCode(bound, context.logger) : runWithin(layers, bound, context.logger);
    const value = asThrown(isThenable(returned) ? await returned : returned);
    bound.warnOfForgottenThrow();
    return { kind: 'success', value };
  } catch (thrown) {
    try {
      return classify(withHint(reasonOf(thrown, bound), task), bound);
    } catch (cause) {
      // A revoked proxy, for example, throws at each access.
      const error = new Error('the task threw something that cannot be looked at', { cause });
      return { kind: 'failure', error, expected: false };
    }
  }
}

/** Checks the arguments and runs the code. Returns its value, or a promise of it. */
function runCode(bound: RunningTask, logger: Logger): unknown {
  const { task, options } = bound;
  if (task.run === null) throw new Error(`the task '${task.name}' lives elsewhere and cannot be run here`);
  const { args, kwargs, message } = bound.request;
  const takesCall = task.takesCall === true;
  if (message.lang !== 'js' && options.input === null && options.parameters === null && !takesCall)
    checkArity(task, args, logger);
  const ready = takesCall ? [args, kwargs] : bindArguments(task.name, options, args, kwargs);
  return ready instanceof Promise || options.beforeStart ? started(bound, ready) : body(bound, ready);
}

async function started(
  bound: RunningTask,
  ready: readonly unknown[] | Promise<readonly unknown[]>,
): Promise<unknown> {
  const given = await ready;
  await bound.options.beforeStart?.(bound);
  return body(bound, given);
}

function body(bound: RunningTask, given: readonly unknown[]): unknown {
  const { task, options } = bound;
  return options.bind ? task.run?.(bound, ...given) : task.run?.(...given);
}

/** @throws MiddlewareError, and what the layers and the code throw */
async function runWithin(
  layers: readonly Layer<BoundTask, unknown>[],
  bound: RunningTask,
  logger: Logger,
): Promise<unknown> {
  try {
    return await wrapped(layers, bound, async () => asThrown(await runCode(bound, logger)));
  } catch (error) {
    if (error instanceof MisusedNext) throw new MiddlewareError(`the middleware's run(): ${error.message}`);
    throw error;
  }
}

/** `return task.retry()` means `throw task.retry()`. */
function asThrown(value: unknown): unknown {
  if (value instanceof Retry || value instanceof Replaced) throw value;
  return value;
}

/** The reason why `task.signal` was aborted, if the error is only an AbortError: those of Node's timers and streams have the reason as cause. */
function reasonOf(thrown: unknown, bound: RunningTask): unknown {
  if (!(thrown instanceof Error) || thrown.name !== 'AbortError' || thrown.cause === undefined) return thrown;
  return thrown.cause === bound.signal.reason ? thrown.cause : thrown;
}

/** The most frequent mistake: code that takes the task as its first parameter, without `bind: true`. */
function withHint(thrown: unknown, { options, run }: AnyTask): unknown {
  if (!(thrown instanceof TypeError) || options.bind || run === null) return thrown;
  const text = Function.prototype.toString.call(run);
  const [, first = ''] = /^(?:async\s+)?(?:function\b[^(]*)?\(?\s*([\w$]+)/.exec(text) ?? [];
  const uses = new RegExp(
    `\\b${first.replaceAll('$', '\\$')}\\.(?:retry|request|signal|logger|log|updateState|replace|addToChord)\\b`,
  );
  if (first !== '' && uses.test(text) && !thrown.message.includes('bind: true'))
    thrown.message += ` (is '${first}' meant to be the task? It is that with { bind: true } only)`;
  return thrown;
}

/** Only promises are awaited: most tasks of a busy worker are short, and each wait costs. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function classify(thrown: unknown, bound: RunningTask): Outcome {
  if (thrown instanceof Retry) return { kind: 'retry', retry: thrown };
  if (thrown instanceof Replaced) return { kind: 'replaced', signature: thrown.signature };
  if (thrown instanceof Ignore) return { kind: 'ignored' };
  if (thrown instanceof Reject) return { kind: 'rejected', requeue: thrown.requeue, reason: thrown.message };
  let failure = thrown;
  if (isRetriedByItself(thrown, bound.options)) {
    try {
      return { kind: 'retry', retry: bound.retry(thrown) };
    } catch (usedUp) {
      failure = usedUp;
    }
  }
  return {
    kind: 'failure',
    error: toError(failure),
    expected: bound.options.throws.some((type) => failure instanceof type),
  };
}

/** Whether a hook or a receiver of a signal is to be called. Most tasks have none. */
function hasListeners({ options, app: { signals } }: AnyTask): boolean {
  return (
    options.onSuccess !== null ||
    options.onFailure !== null ||
    options.onRetry !== null ||
    options.afterReturn !== null ||
    signals.taskPostrun.connected ||
    signals.taskSuccess.connected ||
    signals.taskFailure.connected ||
    signals.taskRetry.connected
  );
}

/** Any value can be thrown; from here on it is an Error. */
function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  const shown = typeof thrown === 'object' && thrown !== null ? 'an object that is no Error' : String(thrown);
  return new Error(`the task threw ${shown}`, { cause: thrown });
}

async function notifyListeners(bound: RunningTask, context: RunContext, outcome: Outcome): Promise<void> {
  const { task, options } = bound;
  const { signals } = task.app;
  const { request, logger } = context;
  const [state, result] = stateOf(outcome);
  await guard(logger, hookName[outcome.kind], () => {
    switch (outcome.kind) {
      case 'success':
        return options.onSuccess?.(outcome.value, bound);
      case 'failure':
        return options.onFailure?.(outcome.error, bound);
      case 'retry':
        return options.onRetry?.(outcome.retry.cause, bound);
      default:
        return undefined;
    }
  });
  await guard(logger, 'afterReturn', () => options.afterReturn?.(state, result, bound));
  if (outcome.kind === 'success' && signals.taskSuccess.connected)
    await signals.taskSuccess.send({ task, request, result }, logger);
  if (outcome.kind === 'failure' && signals.taskFailure.connected) {
    await signals.taskFailure.send({ task, request, error: outcome.error }, logger);
  }
  if (outcome.kind === 'retry' && signals.taskRetry.connected) {
    await signals.taskRetry.send(
      { task, request, reason: outcome.retry.cause, at: outcome.retry.at },
      logger,
    );
  }
  if (signals.taskPostrun.connected) await signals.taskPostrun.send({ task, request, state, result }, logger);
}

async function guard(logger: Logger, name: string, hook: () => unknown): Promise<void> {
  try {
    await hook();
  } catch (error) {
    logger.error({ err: error, hook: name }, `the hook ${name} failed: ${String(error)}`);
  }
}

function stateOf(outcome: Outcome): [TaskState, unknown] {
  switch (outcome.kind) {
    case 'success':
      return ['SUCCESS', outcome.value];
    case 'failure':
      return ['FAILURE', outcome.error];
    case 'retry':
      return ['RETRY', outcome.retry.cause];
    case 'ignored':
    case 'replaced':
      return ['IGNORED', undefined];
    case 'rejected':
      return ['REJECTED', outcome.reason];
  }
}

const hookName: Readonly<Record<Outcome['kind'], string>> = {
  success: 'onSuccess',
  failure: 'onFailure',
  retry: 'onRetry',
  ignored: 'afterReturn',
  replaced: 'afterReturn',
  rejected: 'afterReturn',
};
