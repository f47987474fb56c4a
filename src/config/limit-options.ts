// Cluster limits (rates and concurrency of all workers together), as options of a task and as settings.
import { ConfigError } from '../errors.ts';
import { asGiven, check, count, oneOf, optional, text } from '../lib/checks.ts';
import { type Check, checkOptions, field, type Options, readOptions, readValue } from '../lib/schema.ts';
import { parseRate, type Rate, rate } from './rate.ts';

/**
 * The key of a limit: calls with the same value share a limit. The index of a positional argument, the name of an argument of a keyword
 * task, or a function of args and kwargs as they are sent. All calls without a value share one limit.
 */
export type LimitKey =
  | number
  | string
  | ((
      args: readonly unknown[],
      kwargs: Readonly<Record<string, unknown>>,
    ) => string | number | null | undefined);

export const limitKey: Check<LimitKey> = check(
  'the index of an argument, the name of an argument, or a function',
  (given) => {
    const isIndex = typeof given === 'number' && Number.isInteger(given) && given >= 0;
    if (isIndex || (typeof given === 'string' && given !== '') || typeof given === 'function')
      return given as LimitKey; // just checked
    return undefined;
  },
);

const shared = {
  /** Calls with the same value of this key share the limit. */
  key: optional(limitKey),
  /** Tasks whose limits have the same name share the limit. Default: the task's name. */
  name: optional(text),
};

const rateOptions = {
  /** How many calls may start in a time: `'100/m'`. */
  limit: field(rate, null),
  /** `worker`: the limit is that of each worker alone, like a rate that is text, and has no `key`. Default: all workers together. */
  scope: field(oneOf('cluster', 'worker'), 'cluster'),
  ...shared,
  /** How many calls may start at once after a pause; default 1: starts are spread evenly. */
  burst: optional(count),
};

/** A limit on the starts of all workers together. */
export interface ClusterRate extends Options<typeof rateOptions> {
  /** Starts per second (a number), or `'100/m'`. */
  readonly limit: Rate;
}

const concurrencyOptions = {
  /** How many calls may run at once. */
  limit: field(count, 1),
  ...shared,
};

/** A limit on the running calls of all workers together. */
export interface Concurrency extends Options<typeof concurrencyOptions> {
  /** How many may run at a time. */
  readonly limit: number;
}

/** The setting `queueLimits`: limits for all tasks of a queue. */
export type QueueLimits = Readonly<
  Record<
    string,
    { readonly rateLimit?: Rate | Omit<ClusterRate, 'key' | 'scope' | 'name'>; readonly concurrency?: number }
  >
>;

/** A limit after reading. */
export interface ClusterLimit {
  readonly kind: 'concurrency' | 'rate';
  readonly name: string;
  /** Running calls, or starts per second. */
  readonly limit: number;
  readonly burst: number;
  readonly key: LimitKey | null;
}

/** @throws ConfigError */
export function readRate(
  given: Rate | ClusterRate | null,
  name: string,
  what: string,
): { readonly own: number | null; readonly cluster: ClusterLimit | null } {
  if (given === null || typeof given !== 'object') return { own: parseRate(given, what), cluster: null };
  const { limit, scope, ...read } = readOptions(rateOptions, given, what, {}, 'of');
  if (scope === 'worker') {
    if (read.key !== null || read.burst !== null || read.name !== null)
      throw new ConfigError(
        `${what}: a limit of each worker alone has no key, name or burst; leave out the scope`,
      );
    return { own: limit, cluster: null };
  }
  if (limit === null) return { own: null, cluster: null };
  const { key, burst } = read;
  return { own: null, cluster: { kind: 'rate', name: read.name ?? name, limit, burst: burst ?? 1, key } };
}

/** @throws ConfigError */
export function readConcurrency(
  given: number | Concurrency | null,
  name: string,
  what: string,
): ClusterLimit | null {
  if (given === null) return null;
  const limits = typeof given === 'number' ? { limit: given } : given;
  if (typeof limits !== 'object') throw new ConfigError(`${what} must be a number, or { limit, key }`);
  const read = readOptions(concurrencyOptions, limits, what, {}, 'of');
  const limit = readValue(count, limits.limit, `'limit' of ${what}`); // it may be missing
  return { kind: 'concurrency', name: read.name ?? name, limit, burst: 1, key: read.key };
}

const queueRows = {
  rateLimit: asGiven<NonNullable<QueueLimits[string]['rateLimit']> | null>('a rate'),
  concurrency: asGiven<number | null>('a number'),
};

/** The limits of each queue, by its name. @throws ConfigError */
export function readQueueLimits(given: QueueLimits | null): ReadonlyMap<string, readonly ClusterLimit[]> {
  const limits = new Map<string, readonly ClusterLimit[]>();
  for (const [queue, options] of Object.entries(given ?? {})) {
    const what = `queueLimits.${queue}`;
    if (typeof options !== 'object' || options === null)
      throw new ConfigError(`${what} must be an object like { rateLimit: '100/m', concurrency: 5 }`);
    checkOptions(queueRows, options, what);
    const { rateLimit = null, concurrency = null } = options;
    const rate = typeof rateLimit === 'object' ? rateLimit : rateLimit === null ? null : { limit: rateLimit };
    const read = [
      readConcurrency(concurrency, `queue:${queue}`, `${what}.concurrency`),
      readRate(rate, `queue:${queue}`, `${what}.rateLimit`).cluster,
    ];
    limits.set(
      queue,
      read.filter((limit) => limit !== null),
    );
  }
  return limits;
}

/** The value of a call's key; '' if the call has none. */
export function keyValue(
  key: LimitKey | null,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): string {
  if (key === null) return '';
  const value =
    typeof key === 'function' ? key(args, kwargs) : typeof key === 'number' ? args[key] : kwargs[key];
  return value === null || value === undefined ? '' : String(value);
}
