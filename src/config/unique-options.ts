// Unique tasks: the options by which a task allows only one waiting or running call for each key.
import { createHash } from 'node:crypto';
import { check, oneOf, seconds } from '../lib/checks.ts';
import { toMs } from '../lib/duration.ts';
import { type Check, checkOptions, type Options } from '../lib/schema.ts';
import { encodeJson } from '../protocol/json.ts';
import { keyValue, type LimitKey, limitKey } from './limit-options.ts';

/** What happens to a call while another call of the same key waits or runs. */
export type UniquePolicy = 'reject' | 'replace' | 'return existing';

const uniqueOptions = {
  /** The key, as in `concurrency`: calls with the same value are duplicates, and so are all calls without a value. Default: all arguments. */
  key: limitKey,
  /** When the lock of a task that vanished expires. It must be longer than the task waits and runs, retries included. Default 1 h. */
  ttl: seconds({ above: 0 }),
  /**
   * `reject` (default): `delay` throws DuplicateTaskError, which names the existing call. `return existing`: it returns the result of the
   * existing call. `replace`: an existing call that waits is not run; an existing call that runs continues beside the new one.
   */
  policy: oneOf<UniquePolicy>('reject', 'replace', 'return existing'),
};

/** What makes a task unique: its key, for how long, and what happens to a second call. */
export interface Unique extends Options<typeof uniqueOptions> {}

/** The options after reading. */
export interface UniqueRule {
  readonly key: LimitKey | null;
  readonly ttlMs: number;
  readonly policy: UniquePolicy;
}

/** Longer values are replaced by their digest, in characters. */
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

/** The name of a call's lock. @throws what the key's function throws */
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
