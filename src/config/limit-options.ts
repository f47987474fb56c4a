// Limits that hold for all workers together: how a task, or the configuration, says them.
import { ConfigError } from '../errors.ts';
import { check } from '../lib/checks.ts';
import { type Check, readValue } from '../lib/schema.ts';
import { parseRate, type Rate } from './rate.ts';

/**
 * What is counted apart: calls with the same value share a limit. The number of a positional argument, the name of one of a keyword
 * task, or a function of both lists as they travel. A call without a value counts with those that have none either.
 */
export type LimitKey =
  | number
  | string
  | ((
      args: readonly unknown[],
      kwargs: Readonly<Record<string, unknown>>,
    ) => string | number | null | undefined);

/** A rate of all workers together. */
export interface ClusterRate {
  readonly limit: Rate;
  /** `worker`: of each worker by itself, as text alone is, without `key`. Default: all together. */
  readonly scope?: 'cluster' | 'worker';
  readonly key?: LimitKey;
  /** Tasks that give the same name share the limit. Default: the task's own. */
  readonly name?: string;
  /** So many may start at once after a pause; default 1: evenly spread. */
  readonly burst?: number;
}

/** So many at once, in all workers together. */
export interface Concurrency {
  readonly limit: number;
  readonly key?: LimitKey;
  readonly name?: string;
}

/** The setting `queueLimits`: for all tasks that come from a queue. */
export type QueueLimits = Readonly<
  Record<
    string,
    { readonly rateLimit?: Rate | Omit<ClusterRate, 'key' | 'scope' | 'name'>; readonly concurrency?: number }
  >
>;

/** Either, read. */
export interface ClusterLimit {
  readonly kind: 'concurrency' | 'rate';
  readonly name: string;
  /** At once, or in a second. */
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
  only(given, ['limit', 'scope', 'key', 'name', 'burst'], what);
  const perSecond = parseRate(given.limit ?? null, `${what}.limit`);
  if (given.scope !== undefined && given.scope !== 'cluster' && given.scope !== 'worker')
    throw new ConfigError(`${what}.scope must be 'cluster' or 'worker'`);
  if (given.scope === 'worker') {
    if (given.key !== undefined || given.burst !== undefined || given.name !== undefined)
      throw new ConfigError(
        `${what}: a limit of each worker by itself has no key, name or burst; leave out the scope`,
      );
    return { own: perSecond, cluster: null };
  }
  if (perSecond === null) return { own: null, cluster: null };
  const burst = whole(given.burst ?? 1, `${what}.burst`);
  return {
    own: null,
    cluster: {
      kind: 'rate',
      name: named(given.name, name, what),
      limit: perSecond,
      burst,
      key: keyOf(given.key, what),
    },
  };
}

/** @throws ConfigError */
export function readConcurrency(
  given: number | Concurrency | null,
  name: string,
  what: string,
): ClusterLimit | null {
  if (given === null) return null;
  const said = typeof given === 'number' ? { limit: given } : given;
  if (typeof said !== 'object') throw new ConfigError(`${what} must be a number, or { limit, key }`);
  only(said, ['limit', 'key', 'name'], what);
  const limit = whole(said.limit, `${what}.limit`);
  return {
    kind: 'concurrency',
    name: named(said.name, name, what),
    limit,
    burst: 1,
    key: keyOf(said.key, what),
  };
}

/** By queue. @throws ConfigError */
export function readQueueLimits(given: QueueLimits | null): ReadonlyMap<string, readonly ClusterLimit[]> {
  const limits = new Map<string, readonly ClusterLimit[]>();
  for (const [queue, said] of Object.entries(given ?? {})) {
    const what = `queueLimits.${queue}`;
    only(said, ['rateLimit', 'concurrency'], what);
    const { rateLimit = null, concurrency = null } = said;
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

export const limitKey: Check<LimitKey> = check(
  'the number of an argument, the name of one, or a function',
  (given) => {
    const isIndex = typeof given === 'number' && Number.isInteger(given) && given >= 0;
    if (isIndex || (typeof given === 'string' && given !== '') || typeof given === 'function')
      return given as LimitKey; // just checked
    return undefined;
  },
);

/** The value of a call's key; '' where it has none. */
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

function keyOf(given: LimitKey | undefined, what: string): LimitKey | null {
  return given === undefined ? null : readValue(limitKey, given, `${what}.key`);
}

function only(given: object, known: readonly string[], what: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new ConfigError(`${what} must be an object with ${known.join(', ')}`);
  const other = Object.keys(given).find((name) => !known.includes(name));
  if (other !== undefined) throw new ConfigError(`${what} has no '${other}'; there are ${known.join(', ')}`);
}

function whole(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new ConfigError(`${what} must be a whole number above 0, not ${String(value)}`);
}

function named(given: string | undefined, own: string, what: string): string {
  if (given === undefined) return own;
  if (typeof given === 'string' && given !== '') return given;
  throw new ConfigError(`${what}.name must be text that is not empty`);
}
