// Unique tasks: how a task says that only one of a key is to be there at a time.
import { createHash } from 'node:crypto';
import { check, oneOf, seconds } from '../lib/checks.ts';
import { toMs } from '../lib/duration.ts';
import { type Check, checkOptions, type Options } from '../lib/schema.ts';
import { encodeJson } from '../protocol/json.ts';
import { keyValue, type LimitKey, limitKey } from './limit-options.ts';

/** What becomes of a call whose like waits or runs already. */
export type UniquePolicy = 'reject' | 'replace' | 'return existing';

const uniqueOptions = {
  /** What makes two calls alike; default: all arguments. As in `concurrency`; a call without a value is like all others without one. */
  key: limitKey,
  /** The last resort, for a task that vanishes without an end: longer than it waits and runs, retries included. Default 1 h. */
  ttl: seconds({ above: 0 }),
  /**
   * `reject` (default): `delay` throws DuplicateTaskError, which names the one that is there. `return existing`: it returns that one's
   * result. `replace`: the one that waits is not run; one that runs already runs on beside the new one.
   */
  policy: oneOf<UniquePolicy>('reject', 'replace', 'return existing'),
};

export interface Unique extends Options<typeof uniqueOptions> {}

/** Read. */
export interface UniqueRule {
  readonly key: LimitKey | null;
  readonly ttlMs: number;
  readonly policy: UniquePolicy;
}

/** A value that is longer is told by its digest. */
const longestValue = 120;

export const unique: Check<boolean | Unique, UniqueRule | null> = check(
  'true, false, or an object with key, ttl, policy',
  (given, what) => {
    if (given === false) return null;
    const options = given === true ? {} : given;
    if (typeof options !== 'object' || options === null) return undefined;
    checkOptions(uniqueOptions, options, what, 'of');
    const { key, ttl = 3600, policy = 'reject' }: Unique = options;
    return { key: key ?? null, ttlMs: Math.ceil(toMs(ttl)), policy };
  },
);

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
