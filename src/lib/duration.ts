import { ConfigError } from '../errors.ts';

/** A duration: a number of **seconds** (as in Celery), or text like `'500ms'`, `'30s'`, `'10m'`, `'2h'`, `'1d'`. */
export type Duration = number | `${number}${'' | ' '}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A duration in milliseconds. Checks text from any source: the type has only checked text in code.
 * @throws ConfigError for text that is no duration, and for numbers that are not finite
 */
export function toMs(duration: number | string, what = 'duration'): number {
  if (typeof duration === 'number') {
    if (!Number.isFinite(duration))
      throw new ConfigError(`${what} must be a finite number of seconds, not ${duration}`);
    return duration * 1000;
  }
  const match = /^(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(duration.trim());
  const unit = match?.[2] === undefined ? undefined : unitMs[match[2]];
  if (match?.[1] === undefined || unit === undefined) {
    throw new ConfigError(
      `${what} must be seconds or text like '500ms', '30s', '10m', '2h', '1d', not '${duration}'`,
    );
  }
  return Number(match[1]) * unit;
}

/**
 * Text from outside as a duration. @throws as {@link toMs}
 */
export function readDuration(duration: number | string, what?: string): Duration {
  toMs(duration, what);
  return duration as Duration; // or it would have thrown
}

/** A duration in seconds. Throws as {@link toMs}. */
export function toSeconds(duration: number | string, what?: string): number {
  return toMs(duration, what) / 1000;
}
