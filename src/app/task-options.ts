// The options of a task, one row each, read once when the task is defined.

import { compression, limit, maxRetries, name, serializer } from '../config/checks.ts';
import { type Config, checkLimits } from '../config/config.ts';
import {
  type ClusterLimit,
  type ClusterRate,
  type Concurrency,
  readConcurrency,
  readRate,
} from '../config/limit-options.ts';
import { parameters } from '../config/parameters.ts';
import { checkNamed, priority } from '../config/priority.ts';
import type { Rate } from '../config/rate.ts';
import type { TaskCallOptions } from '../config/sendable-task.ts';
import type { ObjectSchema } from '../config/standard-schema.ts';
import { unique } from '../config/unique-options.ts';
import { ConfigError } from '../errors.ts';
import { anyText, asGiven, callback, check, flag, optional, orNull, seconds } from '../lib/checks.ts';
import type { Duration } from '../lib/duration.ts';
import { field, type Read, readOptions, SameAs } from '../lib/schema.ts';
import type { TaskState } from '../protocol/result-meta.ts';
import type { BoundTask, ErrorClass, TaskOptions } from './task.ts';

const setting = <Name extends keyof Config>(name: Name) => new SameAs<Config[Name]>(name);

const errorClasses = check<readonly ErrorClass[]>('a list of error classes: [TypeError]', (value) =>
  Array.isArray(value) && value.every((each): each is ErrorClass => typeof each === 'function')
    ? Object.freeze([...value])
    : undefined,
);

const delay = seconds({ from: 0 });

/** The first delay; null: none. */
const backoff = check<boolean | Duration, number | null>(
  `true, false, or ${delay.expected}`,
  (value, what) => {
    if (typeof value === 'boolean') return value ? 1 : null;
    return delay.accept(value, what);
  },
);

const input = check<ObjectSchema>('a Standard Schema', (value, what) => {
  const schema = value as ObjectSchema | null; // checked next
  if (typeof schema?.['~standard']?.validate === 'function') return schema;
  throw new ConfigError(`${what} is no Standard Schema; zod, valibot and arktype make them`);
});

export const taskOptions = {
  /**
   * Names of the parameters of the task's code, for callers that pass arguments by name, as Python programs do: `['x', 'y', 'z?']` for
   * `(x, y, z) => …`. `?`: optional. The last one may be `'*more'` (any number of further positional arguments) or `'**options'` (one object
   * with all other keyword arguments). Not together with `input`, which names them, too.
   */
  parameters: optional(parameters),
  /** A description for people, shown by the HTTP API and its documentation. */
  description: optional(anyText),
  /** How often a run may be repeated by `task.retry` and `autoretryFor`; default 3, `null` = for ever. */
  maxRetries: field(maxRetries, 3),
  /** The delay before a retry that names none; default 180 s. */
  defaultRetryDelay: field(delay, 180),
  /** Errors after which the task is retried without calling `task.retry`. */
  autoretryFor: field(errorClasses, []),
  /** Exceptions to `autoretryFor`. */
  dontAutoretryFor: field(errorClasses, []),
  /** Delays that double: 1, 2, 4 … s (`true`), or beginning with this duration. */
  retryBackoff: field(backoff, null),
  /** The longest delay of `retryBackoff`; default 600 s. */
  retryBackoffMax: field(delay, 600),
  /** A random delay between 0 and that of `retryBackoff`, so that many tasks do not come back at once; default true. */
  retryJitter: field(flag, true),
  /** Acknowledge after the run; default `taskAcksLate`, which is true. False: the task is lost when its worker dies. */
  acksLate: field(flag, setting('taskAcksLate')),
  /** False: the message of a failed task becomes a dead letter, which can be replayed; default `taskAcksOnFailure`, which is true. */
  acksOnFailure: optional(flag),
  /**
   * False: a task that exceeded its hard time limit is run again, at most `workerMaxDeliveries` times; then its message becomes a dead
   * letter. Default `taskAcksOnTimeout`, which is true.
   */
  acksOnTimeout: optional(flag),
  /** Celery's older name for `acksOnFailure` and `acksOnTimeout` together. */
  acksOnFailureOrTimeout: optional(flag),
  /** False: the task fails when its pool process dies. Default `taskRejectOnWorkerLost`, which is true: the task runs again. */
  rejectOnWorkerLost: field(flag, setting('taskRejectOnWorkerLost')),
  /** Do not keep its results; default `taskIgnoreResult`. */
  ignoreResult: field(flag, setting('taskIgnoreResult')),
  /** Keep its errors even so; default `taskStoreErrorsEvenIfIgnored`. */
  storeErrorsEvenIfIgnored: field(flag, setting('taskStoreErrorsEvenIfIgnored')),
  /** Record that it has started; default `taskTrackStarted`. */
  trackStarted: field(flag, setting('taskTrackStarted')),
  /** Ends the task as failed; default `taskTimeLimit`. */
  timeLimit: field(orNull(limit), setting('taskTimeLimit')),
  /** Aborts `task.signal`; default `taskSoftTimeLimit`. */
  softTimeLimit: field(orNull(limit), setting('taskSoftTimeLimit')),
  /**
   * How often it may start in each worker: `'10/m'`, or a number per second; default `taskDefaultRateLimit`. An object, `{ limit: '10/m',
   * key }`, limits all workers together. Tasks above the limit wait in the store.
   */
  rateLimit: optional(asGiven<Rate | ClusterRate | null>('a rate')),
  /** How many may run at once in all workers together: 3, or for each value of a key, `{ limit: 3, key: 0 }`. The others wait in the store. */
  concurrency: optional(asGiven<number | Concurrency | null>('a number')),
  /** Only one call of the task, or of its key, waits or runs at a time. A second call is rejected, replaces the first, or returns its result. */
  unique: field(unique, null),
  /** The serializer of its calls; default `taskSerializer`. */
  serializer: field(serializer, setting('taskSerializer')),
  /** The compression of its calls; default `taskCompression`. */
  compression: field(compression, setting('taskCompression')),
  /** The queue of its calls, unless the call or a route names one. */
  queue: optional(name),
  /** The priority of its calls, unless the call or a route sets one: a name, or the number on the wire. */
  priority: optional(priority),
  /** Calls that have not begun within this time are not run. */
  expires: optional(delay),
  /** Errors that are expected of this task: logged at a lower level. */
  throws: field(errorClasses, []),
  /** Keep the ids of the tasks that it sends as its result's children; default true. */
  trail: field(flag, true),
  /** Called before the body. An error that it throws fails the task. */
  beforeStart: optional(callback<(task: BoundTask) => unknown>()),
  /** Called after a success. An error that this or the next three throw is logged and changes nothing. */
  onSuccess: optional(callback<(result: unknown, task: BoundTask) => unknown>()),
  /** Called after a failure. */
  onFailure: optional(callback<(error: Error, task: BoundTask) => unknown>()),
  /** Called when it will run again. `reason` is the error that was given to `task.retry`. */
  onRetry: optional(callback<(reason: unknown, task: BoundTask) => unknown>()),
  /** Called after each of these three, and after Ignore and Reject. */
  afterReturn: optional(callback<(state: TaskState, result: unknown, task: BoundTask) => unknown>()),
};

/** Options of tasks with code. */
const definitionOptions = {
  ...taskOptions,
  /** The code's first argument is the running task. */
  bind: field(flag, false),
  /** The schema of its one argument, an object. */
  input: optional(input),
};

/** The options of a definition, for all kinds of tasks. */
export interface DefinitionOptions extends TaskOptions {
  readonly bind?: boolean;
  readonly input?: ObjectSchema | undefined;
}

/** A task's options with every default filled. Durations are seconds. */
export interface ResolvedTaskOptions
  extends Omit<Read<typeof definitionOptions>, 'acksOnFailureOrTimeout' | 'concurrency'>,
    TaskCallOptions {
  /** False: its message becomes a dead letter when it fails. */
  readonly acksOnFailure: boolean;
  /** False: it runs again after its hard time limit. */
  readonly acksOnTimeout: boolean;
  /** Starts per second in each worker. */
  readonly rateLimit: number | null;
  /** Limits of all workers together. */
  readonly limits: readonly ClusterLimit[];
}

/** @throws UnknownOptionError, ConfigError */
export function resolveTaskOptions(
  name: string,
  options: DefinitionOptions,
  config: Config,
): ResolvedTaskOptions {
  const where = `the options of the task '${name}'`;
  const { acksOnFailureOrTimeout: either, ...all } = readOptions(definitionOptions, options, where, config);
  const { concurrency, ...read } = all;
  const sent = {
    timeLimit: options.timeLimit === undefined ? null : read.timeLimit,
    softTimeLimit: options.softTimeLimit === undefined ? null : read.softTimeLimit,
  };
  checkLimits(where, sent.timeLimit, sent.softTimeLimit);
  if (read.input !== null && read.parameters !== null)
    throw new ConfigError(`${where}: 'input' and 'parameters' both say what the task takes; leave one out`);
  checkNamed(read.priority, config.taskDefaultPriority, `'priority' in ${where}`);
  const rate = readRate(read.rateLimit, name, `'rateLimit' in ${where}`);
  const atOnce = readConcurrency(concurrency, name, `'concurrency' in ${where}`);
  return Object.freeze({
    ...read,
    acksOnFailure: read.acksOnFailure ?? either ?? config.taskAcksOnFailure,
    acksOnTimeout: read.acksOnTimeout ?? either ?? config.taskAcksOnTimeout,
    rateLimit: options.rateLimit === undefined ? config.taskDefaultRateLimit : rate.own,
    limits: Object.freeze([atOnce, rate.cluster].filter((each) => each !== null)),
    sent,
  });
}
