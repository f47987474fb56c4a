// A task's options, read once when it is defined.

import { checkCompression, checkLimit, checkName, checkSerializer } from '../config/checks.ts';
import { type Config, checkLimits } from '../config/config.ts';
import { type ClusterLimit, readConcurrency, readRate } from '../config/limit-options.ts';
import { readParameters } from '../config/parameters.ts';
import { checkNamed, checkPriority, type Priority } from '../config/priority.ts';
import type { TaskCallOptions } from '../config/sendable-task.ts';
import type { ObjectSchema } from '../config/standard-schema.ts';
import { readUnique } from '../config/unique-options.ts';
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { type Duration, toSeconds } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import type { ErrorClass, TaskOptions } from './task.ts';

/** A task's options with every default filled. Durations are seconds. */
export interface ResolvedTaskOptions
  extends TaskCallOptions,
    Required<Pick<TaskOptions, 'autoretryFor' | 'dontAutoretryFor' | 'throws'>>,
    Pick<TaskOptions, 'beforeStart' | 'onSuccess' | 'onFailure' | 'onRetry' | 'afterReturn'> {
  readonly bind: boolean;
  readonly description: string | null;
  /** `null` = for ever. */
  readonly maxRetries: number | null;
  readonly defaultRetryDelay: number;
  /** The first delay; `null`: no backoff. */
  readonly retryBackoff: number | null;
  readonly retryBackoffMax: number;
  readonly retryJitter: boolean;
  readonly acksLate: boolean;
  readonly acksOnFailure: boolean;
  readonly acksOnTimeout: boolean;
  readonly rejectOnWorkerLost: boolean;
  readonly storeErrorsEvenIfIgnored: boolean;
  readonly trackStarted: boolean;
  /** The task's own, else the configuration's. What the message says goes before it. */
  readonly timeLimit: number | null;
  readonly softTimeLimit: number | null;
  /** Starts in a second, in each worker. */
  readonly rateLimit: number | null;
  /** In all workers together. */
  readonly limits: readonly ClusterLimit[];
  readonly trail: boolean;
}

/** The options of a definition, all kinds of tasks together. */
export interface DefinitionOptions extends TaskOptions {
  readonly bind?: boolean;
  readonly input?: ObjectSchema | undefined;
}

/** @throws UnknownOptionError, ConfigError */
export function resolveTaskOptions(
  name: string,
  options: DefinitionOptions,
  config: Config,
): ResolvedTaskOptions {
  const where = `the options of the task '${name}'`;
  checkKinds(options, where);
  const seconds = (option: keyof TaskOptions, value: Duration, low = 0): number => {
    const read = toSeconds(value, `'${option}' in ${where}`);
    if (read < low)
      throw new ConfigError(`'${option}' in ${where} must not be below ${low} s, it is ${read}`);
    return read;
  };
  const limit = (option: 'timeLimit' | 'softTimeLimit'): number | null => {
    const value = options[option] ?? null;
    return value === null ? null : checkLimit(seconds(option, value), `'${option}' in ${where}`);
  };
  const sent = { timeLimit: limit('timeLimit'), softTimeLimit: limit('softTimeLimit') };
  checkLimits(where, sent.timeLimit, sent.softTimeLimit);
  if (options.input !== undefined && typeof options.input?.['~standard']?.validate !== 'function') {
    throw new ConfigError(`'input' in ${where} is no Standard Schema; zod, valibot and arktype make them`);
  }
  if (options.input !== undefined && options.parameters !== undefined)
    throw new ConfigError(`${where}: 'input' and 'parameters' both say what the task takes; leave one out`);
  const rate = readRate(options.rateLimit ?? null, name, `'rateLimit' in ${where}`);
  const concurrency = readConcurrency(options.concurrency ?? null, name, `'concurrency' in ${where}`);
  return Object.freeze({
    ...pickHooks(options),
    bind: options.bind ?? false,
    description: options.description ?? null,
    input: options.input ?? null,
    parameters: readParameters(options.parameters, `'parameters' in ${where}`),
    maxRetries: maxRetries(options.maxRetries, where),
    defaultRetryDelay: seconds('defaultRetryDelay', options.defaultRetryDelay ?? 180),
    autoretryFor: classes('autoretryFor', options.autoretryFor, where),
    dontAutoretryFor: classes('dontAutoretryFor', options.dontAutoretryFor, where),
    retryBackoff: backoff(options.retryBackoff ?? false, (value) => seconds('retryBackoff', value)),
    retryBackoffMax: seconds('retryBackoffMax', options.retryBackoffMax ?? 600),
    retryJitter: options.retryJitter ?? true,
    acksLate: options.acksLate ?? config.taskAcksLate,
    acksOnFailure: options.acksOnFailure ?? options.acksOnFailureOrTimeout ?? config.taskAcksOnFailure,
    acksOnTimeout: options.acksOnTimeout ?? options.acksOnFailureOrTimeout ?? config.taskAcksOnTimeout,
    rejectOnWorkerLost: options.rejectOnWorkerLost ?? config.taskRejectOnWorkerLost,
    ignoreResult: options.ignoreResult ?? config.taskIgnoreResult,
    storeErrorsEvenIfIgnored: options.storeErrorsEvenIfIgnored ?? config.taskStoreErrorsEvenIfIgnored,
    trackStarted: options.trackStarted ?? config.taskTrackStarted,
    timeLimit: options.timeLimit === undefined ? config.taskTimeLimit : sent.timeLimit,
    softTimeLimit: options.softTimeLimit === undefined ? config.taskSoftTimeLimit : sent.softTimeLimit,
    rateLimit: options.rateLimit === undefined ? config.taskDefaultRateLimit : rate.own,
    limits: Object.freeze([concurrency, rate.cluster].filter((each) => each !== null)),
    unique: readUnique(options.unique, where),
    serializer: checkSerializer(options.serializer ?? config.taskSerializer, where),
    compression: checkCompression(
      options.compression === undefined ? config.taskCompression : options.compression,
      where,
    ),
    queue: options.queue === undefined ? null : checkName(options.queue, `'queue' in ${where}`),
    priority: priority(options.priority, config, where),
    expires: options.expires === undefined ? null : seconds('expires', options.expires),
    throws: classes('throws', options.throws, where),
    trail: options.trail ?? true,
    sent,
  });
}

/** How an option is checked here; `own`: where it is read. */
type Kind = 'flag' | 'text' | 'function' | 'own';

/** Every option, so that the compiler misses none and a mistyped one is found. */
const known: { readonly [Name in keyof Required<DefinitionOptions>]: Kind } = {
  bind: 'flag',
  input: 'own',
  parameters: 'own',
  description: 'text',
  maxRetries: 'own',
  defaultRetryDelay: 'own',
  autoretryFor: 'own',
  dontAutoretryFor: 'own',
  retryBackoff: 'own',
  retryBackoffMax: 'own',
  retryJitter: 'flag',
  acksLate: 'flag',
  acksOnFailure: 'flag',
  acksOnTimeout: 'flag',
  acksOnFailureOrTimeout: 'flag',
  rejectOnWorkerLost: 'flag',
  ignoreResult: 'flag',
  storeErrorsEvenIfIgnored: 'flag',
  trackStarted: 'flag',
  timeLimit: 'own',
  softTimeLimit: 'own',
  rateLimit: 'own',
  concurrency: 'own',
  unique: 'own',
  serializer: 'own',
  compression: 'own',
  queue: 'own',
  priority: 'own',
  expires: 'own',
  throws: 'own',
  trail: 'flag',
  beforeStart: 'function',
  onSuccess: 'function',
  onFailure: 'function',
  onRetry: 'function',
  afterReturn: 'function',
};

function checkKinds(options: DefinitionOptions, where: string): void {
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, option))
      throw new UnknownOptionError(option, where, suggest(option, Object.keys(known)));
    const kind = known[option as keyof DefinitionOptions]; // it has it: see above
    if (value === undefined || kind === 'own') continue;
    if (kind === 'flag' && typeof value !== 'boolean')
      throw new ConfigError(`'${option}' in ${where} must be true or false`);
    if (kind === 'text' && typeof value !== 'string')
      throw new ConfigError(`'${option}' in ${where} must be text`);
    if (kind === 'function' && typeof value !== 'function')
      throw new ConfigError(`'${option}' in ${where} must be a function`);
  }
}

function pickHooks(
  options: TaskOptions,
): Pick<TaskOptions, 'beforeStart' | 'onSuccess' | 'onFailure' | 'onRetry' | 'afterReturn'> {
  const { beforeStart, onSuccess, onFailure, onRetry, afterReturn } = options;
  return {
    ...(beforeStart && { beforeStart }),
    ...(onSuccess && { onSuccess }),
    ...(onFailure && { onFailure }),
    ...(onRetry && { onRetry }),
    ...(afterReturn && { afterReturn }),
  };
}

function maxRetries(value: number | null | undefined, where: string): number | null {
  if (value === undefined) return 3;
  if (value !== null && !(Number.isInteger(value) && value >= 0)) {
    throw new ConfigError(`'maxRetries' in ${where} must be a whole number from 0, or null for no limit`);
  }
  return value;
}

function priority(value: unknown, { taskDefaultPriority }: Config, where: string): Priority | null {
  if (value === undefined) return null;
  const what = `'priority' in ${where}`;
  const read = checkPriority(value, what);
  checkNamed(read, taskDefaultPriority, what);
  return read;
}

function backoff(value: boolean | Duration, seconds: (value: Duration) => number): number | null {
  if (value === false) return null;
  return value === true ? 1 : seconds(value);
}

function classes(
  option: string,
  value: readonly ErrorClass[] | undefined,
  where: string,
): readonly ErrorClass[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'function')) {
    throw new ConfigError(`'${option}' in ${where} must be a list of error classes: [TypeError]`);
  }
  return Object.freeze([...value]);
}
