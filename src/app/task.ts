// What a task is to those who hold one.

import type { CallOptions } from '../config/call-options.ts';
import type { RetryOptions } from '../config/retry-options.ts';
import type { Logger } from '../lib/logger.ts';
import type { Options } from '../lib/schema.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { App } from './app.ts';
import type { Replaced, Retry } from './running/outcome.ts';
import type { TaskRequest } from './running/request.ts';
import type { AnySignature, Errback, Signature } from './signature.ts';
import type { ResolvedTaskOptions, taskOptions } from './task-options.ts';

/** What is known of any task, whatever it takes and returns. */
export interface AnyTask {
  readonly name: string;
  readonly app: App;
  readonly options: ResolvedTaskOptions;
  /** The task's code as it was given to `app.task`. `null`: it lives elsewhere (`app.remote`). Celery's `run`. */
  readonly run: TaskBody | null;
  /** Its code takes the lists and maps of arguments as they travel: `run(task, args, kwargs)`. Of built-in tasks. */
  readonly takesCall?: boolean;
}

/** A task's code with its types forgotten. The arguments are checked before: by the compiler at the caller, by the schema in the worker. */
export type TaskBody = (...args: readonly unknown[]) => unknown;

/** What follows a single call: the same as `task.s(…).link(…).linkError(…)`. Celery's `link` and `link_error`. */
export interface Links<Result> {
  /** Sent with the result when the call has succeeded. */
  readonly link?: Signature<[Result], unknown> | readonly Signature<[Result], unknown>[];
  /** Called when it has failed. */
  readonly linkError?: Errback | readonly Errback[];
}

/** The ways to call a task. `Call` is how its arguments are written down, `Spread` how they are passed. */
export interface Callable<Call, Spread extends readonly unknown[], Result> extends AnyTask {
  /**
   * Sends a call; resolves when the broker holds it.
   * @throws InvalidArgumentsError, NotSerializableError, PayloadTooLargeError, BrokerUnavailable: then nothing was sent.
   */
  delay(...args: Spread): Promise<AsyncResult<Result>>;
  /** Like `delay`, with options: `add.applyAsync([2, 3], { countdown: 60, queue: 'slow' })`. */
  applyAsync(call: Call, options?: CallOptions & Links<Result>): Promise<AsyncResult<Result>>;
  /** Sends many calls in one step. All have the same options. */
  applyMany(calls: readonly Call[], options?: Omit<CallOptions, 'taskId'>): Promise<AsyncResult<Result>[]>;
  /**
   * Runs the call here and now, as a worker would: schema, hooks, signals, limits, retries (at once, without their
   * delay). Its state and result are those of the returned result.
   */
  apply(call: Call, options?: CallOptions): Promise<AsyncResult<Result>>;
}

/** A task with positional arguments. Calling it like a function runs its code, as in Celery: no queue, no retries. */
export interface Task<
  Args extends readonly unknown[] = readonly never[],
  Result = unknown,
  Returned = Result | Promise<Result>,
> extends Callable<Args, Args, Result> {
  (...args: Args): Returned;
  /**
   * A call for later, whose missing leading arguments come from what goes before it: `chain(add.s(2, 4), add.s(10))`. Celery's `s`.
   */
  s<Given extends Suffix<Args>>(...args: Given): Signature<Missing<Args, Given>, Result>;
  /** A complete call for later, which ignores what goes before it. Celery's `si`. */
  si(...args: Args): Signature<readonly unknown[], Result>;
}

/** What may stand at the end of a list of arguments. */
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

/** What is missing before them: every beginning that completes them, since later arguments may be optional. */
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
  /** A call for later. Without all of its members it takes one of the missing ones from what goes before it. */
  s(...args: KeywordArgs<Input>): Signature<[], Result>;
  s<Given extends Partial<Input>>(
    given: Given,
  ): Signature<[value: Input[Exclude<keyof Input, keyof Given>]], Result>;
  s(): Signature<[value: Input[keyof Input]], Result>;
  /** A complete call for later, which ignores what goes before it. */
  si(...args: KeywordArgs<Input>): Signature<readonly unknown[], Result>;
}

/** The one object; it may be left out when all of its members may. */
type KeywordArgs<Input extends object> =
  Record<never, never> extends Input ? [input?: Input] : [input: Input];

/** The task that runs: the first argument with `bind: true`, and what `currentTask()` answers. Celery's `self`. */
export interface BoundTask {
  readonly name: string;
  readonly app: App;
  readonly options: ResolvedTaskOptions;
  readonly request: TaskRequest;
  /** Aborted when the task should stop: its soft time limit, a lost lease, a cold shutdown. Its `reason` says which. */
  readonly signal: AbortSignal;
  /** Its lines carry the task's id and name. */
  readonly logger: Logger;
  /**
   * Makes the error that runs the task again later: `throw task.retry(error)`. The delay is `countdown`, or that of
   * `retryBackoff`, or `defaultRetryDelay`.
   * @throws the given error itself, or MaxRetriesExceeded if none was given, when `maxRetries` are used up.
   */
  retry(error?: unknown, options?: RetryOptions): Retry;
  /** The same without an error: `throw task.retry({ countdown: 5 })`. */
  retry(options: RetryOptions): Retry;
  /** Stores a state of your own with what belongs to it: `await task.updateState('PROGRESS', { done: 3, total: 7 })`. */
  updateState(state: TaskState, meta?: unknown): Promise<void>;
  /**
   * Makes what has another workflow run in the place of this task: `throw task.replace(add.s(2, 3))`. That one's result is this
   * task's, and what was to follow this task follows it. One that was frozen keeps its ids but for that of its end, which is this task's.
   * Each of its tasks has this task's stamps. Celery's `replace`.
   */
  replace(signature: AnySignature): Replaced;
  /**
   * Sends one more member of the chord that this task is a member of: its body waits for that one, too, whose result comes after all
   * others. Celery's `add_to_chord`.
   * @throws WorkflowError when it is no member of a chord.
   */
  addToChord<Out>(signature: Signature<[], Out>): Promise<AsyncResult<Out>>;
}

/** Any class of errors. */
export type ErrorClass = abstract new (...args: never) => Error;

/** What may be said of a task when it is defined. Names are Celery's. */
export interface TaskOptions extends Options<typeof taskOptions> {}
