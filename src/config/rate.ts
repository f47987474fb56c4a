import { ConfigError } from '../errors.ts';
import { check } from '../lib/checks.ts';
import type { Check } from '../lib/schema.ts';

/** `'100/s'`, `'100/m'`, `'100/h'` as in Celery, or a number of starts per second. 0 and null: no limit. */
export type Rate = string | number;

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/**
 * The rate as starts per second; null: no limit.
 * @throws ConfigError
 */
export function parseRate(rate: Rate | null, what: string): number | null {
  if (rate === null) return null;
  const [count, unit] = typeof rate === 'number' ? [rate, 's'] : split(rate);
  const perSecond = count / (seconds[unit] ?? Number.NaN);
  if (!(Number.isFinite(perSecond) && perSecond >= 0))
    throw new ConfigError(
      `${what} must be a number per second, or text like '10/s', '10/m', '10/h'; not '${rate}'`,
    );
  return perSecond === 0 ? null : perSecond;
}

function split(rate: string): [number, string] {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:\/\s*([smh]))?\s*$/.exec(rate);
  return [Number(match?.[1] ?? Number.NaN), match?.[2] ?? 's'];
}

/** Starts per second; null: no limit. */
export const rate: Check<Rate | null, number | null> = check("a rate like '10/m', or null", (value, what) =>
  value === null || typeof value === 'string' || typeof value === 'number'
    ? parseRate(value, what)
    : undefined,
);
