// Unique tasks: how a task says that only one of a key is to be there at a time.
import { createHash } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { type Duration, toSeconds } from '../lib/duration.ts';
import { encodeJson } from '../protocol/json.ts';
import { keyValue, type LimitKey } from './limit-options.ts';

/** What becomes of a call whose like waits or runs already. */
export type UniquePolicy = 'reject' | 'replace' | 'return existing';

export interface Unique {
  /** What makes two calls alike; default: all arguments. As in `concurrency`; a call without a value is like all others without one. */
  readonly key?: LimitKey;
  /** The last resort, for a task that vanishes without an end: longer than it waits and runs, retries included. Default 1 h. */
  readonly ttl?: Duration;
  /**
   * `reject` (default): `delay` throws DuplicateTaskError, which names the one that is there. `return existing`: it returns that one's
   * result. `replace`: the one that waits is not run; one that runs already runs on beside the new one.
   */
  readonly policy?: UniquePolicy;
}

/** Read. */
export interface UniqueRule {
  readonly key: LimitKey | null;
  readonly ttlMs: number;
  readonly policy: UniquePolicy;
}

const policies: readonly UniquePolicy[] = ['reject', 'replace', 'return existing'];
/** A value that is longer is told by its digest. */
const longestValue = 120;

/** @throws ConfigError */
export function readUnique(given: boolean | Unique | undefined, where: string): UniqueRule | null {
  if (given === undefined || given === false) return null;
  const { key, ttl = 3600, policy = 'reject', ...other } = given === true ? {} : given;
  const [unknown] = Object.keys(other);
  if (unknown !== undefined)
    throw new ConfigError(`'unique' in ${where} has no '${unknown}'; there are key, ttl, policy`);
  if (!policies.includes(policy))
    throw new ConfigError(`'unique.policy' in ${where} must be 'reject', 'replace' or 'return existing'`);
  const isIndex = typeof key === 'number' && Number.isInteger(key) && key >= 0;
  if (key !== undefined && !isIndex && typeof key !== 'string' && typeof key !== 'function')
    throw new ConfigError(
      `'unique.key' in ${where} must be the number of an argument, the name of one, or a function`,
    );
  const seconds = toSeconds(ttl, `'unique.ttl' in ${where}`);
  if (seconds <= 0) throw new ConfigError(`'unique.ttl' in ${where} must be above 0`);
  return { key: key ?? null, ttlMs: Math.ceil(seconds * 1000), policy };
}

/** What a call's lock is called. @throws what the key's function throws */
export function uniqueKey(
  task: string,
  { key }: UniqueRule,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
): string {
  const value = key === null ? encodeJson([args, sorted(kwargs)], '$') : keyValue(key, args, kwargs);
  return `${task}|${value.length <= longestValue && key !== null ? value : createHash('sha256').update(value).digest('base64url')}`;
}

function sorted(kwargs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(kwargs).sort(([a], [b]) => (a < b ? -1 : 1)));
}
