// The interfaces of a task.

import type { CallOptions } from '../config/call-options.ts';
import type { RetryOptions } from '../config/retry-options.ts';
import type { TaskLogger } from '../lib/logger.ts';
import type { Options } from '../lib/schema.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { App } from './app.ts';
import type { Replaced, Retry } from './running/outcome.ts';
import type { TaskRequest } from './running/request.ts';
import type { AnySignature, Errback, Signature } from './signature.ts';
import type { ResolvedTaskOptions, taskOptions } from './task-options.ts';

/** A task, without the types of its arguments and result. */
export interface AnyTask {
  /** Its name, by which workers know it. */
  readonly name: string;
  /** The application that defined it. */
  readonly app: App;
  /** Its options, complete. */
  readonly options: ResolvedTaskOptions;
  /** The code that was given to `app.task`. `null`: a remote task (`app.remote`). Celery's `run`. */
  readonly run: TaskBody | null;
  /** Its code gets the arguments as they travel: `run(task, args, kwargs)`. True of built-in tasks. */
  readonly takesCall?: boolean;
}

/** A task's code without its types. Its arguments were checked before: by the compiler at the caller, by the schema in the worker. */
export type TaskBody = (...args: readonly unknown[]) => unknown;

/** Callbacks of a single call: the same as `task.s(…).link(…).linkError(…)`. Celery's `link` and `link_error`. */
export interface Links<Result> {
  /** Sent with the result when the call has succeeded. */
  readonly link?: Signature<[Result], unknown> | readonly Signature<[Result], unknown>[];
  /** Called when it has failed. */
  readonly linkError?: Errback | readonly Errback[];
}

/** The ways to call a task. `Call` is the type of its arguments as one value, `Spread` as a list of parameters. */
export interface Callable<Call, Spread extends readonly unknown[], Result> extends AnyTask {
  /**
   * Sends a call; resolves when the broker holds it.
   * @throws InvalidArgumentsError, NotSerializableError, PayloadTooLargeError, BrokerUnavailable: then nothing was sent.
   */
  delay(...args: Spread): Promise<AsyncResult<Result>>;
  /** Like `delay`, with options: `add.applyAsync([2, 3], { countdown: 60, queue: 'slow' })`. */
  applyAsync(call: Call, options?: CallOptions & Links<Result>): Promise<AsyncResult<Result>>;
  /** Sends many calls in one step, all with the same options. */
  applyMany(calls: readonly Call[], options?: Omit<CallOptions, 'taskId'>): Promise<AsyncResult<Result>[]>;
  /**
   * Runs the call in this process, as a worker would: schema, hooks, signals, limits, retries (at once, without their delay). The returned
   * result has its state and value.
   */
  apply(call: Call, options?: CallOptions): Promise<AsyncResult<Result>>;
}

/** A task with positional arguments. Calling it like a function runs its code, as in Celery: no queue, no retries. */
export interface Task<
  Args extends readonly unknown[] = readonly never[],
  Result = unknown,
  Returned = Result | Promise<Result>,
> extends Callable<Readonly<Args>, Args, Result> {
  (...args: Args): Returned;
  /**
   * A signature. Its missing leading arguments come from the step before it: `chain(add.s(2, 4), add.s(10))`. Celery's `s`.
   */
  s<Given extends Suffix<Args>>(...args: Given): Signature<Missing<Args, Given>, Result>;
  /** A complete signature, which ignores the result of the step before it. Celery's `si`. */
  si(...args: Args): Signature<readonly unknown[], Result>;
}

/** The arguments that may stand at the end of a list. */
type Suffix<Args extends readonly unknown[]> =
  | Args
  | (Args extends readonly [unknown?, ...infer Others]
      ? number extends Args['length']
        ? Args extends readonly [unknown, ...infer Behind]
          ? Suffix<Behind>
          : []
        : Args extends readonly []
          ? []
          : Suffix<Others>
      : []);

/** The arguments missing before them: every beginning that completes the list, since later arguments may be optional. */
type Missing<Args extends readonly unknown[], Given extends readonly unknown[]> = Completing<
  Prefix<Args>,
  Args,
  Given
>;

type Prefix<Args extends readonly unknown[], Done extends readonly unknown[] = []> =
  | Done
  | (Args extends readonly []
      ? never
      : Args extends readonly [(infer First)?, ...infer Others]
        ? number extends Args['length']
          ? Args extends readonly [infer Fixed, ...infer Behind]
            ? Prefix<Behind, [...Done, Fixed]>
            : [...Done, ...Args]
          : Prefix<Others, [...Done, First]>
        : [...Done, ...Args]);

type Completing<
  Start extends readonly unknown[],
  Args extends readonly unknown[],
  Given extends readonly unknown[],
> = Start extends unknown ? ([...Start, ...Given] extends Args ? Start : never) : never;

/** A task with keyword arguments: one object, checked by the schema `input`. Calling it like a function checks, too. */
export interface KeywordTask<Input extends object, Result>
  extends Callable<Input, KeywordArgs<Input>, Result> {
  (...args: KeywordArgs<Input>): Promise<Result>;
  /** A signature. If members are missing, the result of the step before it is taken as one of them. */
  s(...args: KeywordArgs<Input>): Signature<[], Result>;
  s<Given extends Partial<Input>>(
    given: Given,
  ): Signature<[value: Input[Exclude<keyof Input, keyof Given>]], Result>;
  s(): Signature<[value: Input[keyof Input]], Result>;
  /** A complete signature, which ignores the result of the step before it. */
  si(...args: KeywordArgs<Input>): Signature<readonly unknown[], Result>;
}

/** The object; it may be left out when all of its members are optional. */
type KeywordArgs<Input extends object> =
  Record<never, never> extends Input ? [input?: Input] : [input: Input];

/** The running task: the first argument with `bind: true`, and the return value of `currentTask()`. Celery's `self`. */
export interface BoundTask {
  /** The task's name. */
  readonly name: string;
  /** The application that defined it. */
  readonly app: App;
  /** Its options, complete. */
  readonly options: ResolvedTaskOptions;
  /** The call that runs: its id, retries, queue and more. */
  readonly request: TaskRequest;
  /** Aborted when the task should stop: its soft time limit, a lost lease, a cold shutdown. Its `reason` says which. */
  readonly signal: AbortSignal;
  /** Its lines have the task's id and name as fields. */
  readonly logger: TaskLogger;
  /**
   * Logs a line, and keeps it with the task: `umbel tasks show` and `app.history.get(id)` have it, also if the worker's log level hides it. The lines of
   * `logger` that are logged are kept, too. Kept are the first 100 lines of an attempt, each up to 500 characters, if the worker sends events.
   */
  log(message: string): void;
  /**
   * Makes the error that runs the task again later: `throw task.retry(error)`. The delay is `countdown`, or that of
   * `retryBackoff`, or `defaultRetryDelay`.
   * @throws the given error, or MaxRetriesExceeded if none was given, when `maxRetries` are used up.
   */
  retry(error?: unknown, options?: RetryOptions): Retry;
  /** The same without an error: `throw task.retry({ countdown: 5 })`. */
  retry(options: RetryOptions): Retry;
  /** Stores a state of your own with its data: `await task.updateState('PROGRESS', { done: 3, total: 7 })`. */
  updateState(state: TaskState, meta?: unknown): Promise<void>;
  /**
   * Makes the error that runs another workflow in place of this task: `throw task.replace(add.s(2, 3))`. Its result is this task's result,
   * and the callbacks of this task follow it. A frozen workflow keeps its ids, except that its last task gets this task's id. Each of its
   * tasks has this task's stamps. Celery's `replace`.
   */
  replace(signature: AnySignature): Replaced;
  /**
   * Adds a member to the chord that this task is a member of, and sends it. The body waits for it, too; its result comes after all
   * others. Celery's `add_to_chord`.
   * @throws WorkflowError when this task is no member of a chord.
   */
  addToChord<Out>(signature: Signature<[], Out>): Promise<AsyncResult<Out>>;
}

/** Any class of errors. */
export type ErrorClass = abstract new (...args: never) => Error;

/** The options of a task. The names are Celery's. */
export interface TaskOptions extends Options<typeof taskOptions> {}
