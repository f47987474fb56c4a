import { describe, expect, it } from 'vitest';
import { Ignore, Reject, Retry } from '../../src/app/running/outcome.ts';
import { isRetriedByItself, makeRetry } from '../../src/app/running/retry.ts';
import {
  type DefinitionOptions,
  type ResolvedTaskOptions,
  resolveTaskOptions,
} from '../../src/app/task-options.ts';
import { resolveConfig } from '../../src/config/config.ts';
import type { RetryOptions } from '../../src/config/retry-options.ts';
import { MaxRetriesExceeded } from '../../src/errors.ts';
import { backoffDelay } from '../../src/lib/backoff.ts';

const now = Date.parse('2030-01-01T00:00:00Z');

function options(given: DefinitionOptions = {}): ResolvedTaskOptions {
  return resolveTaskOptions('t', given, resolveConfig({}, {}));
}

/** Seconds until the retry. */
function delay(task: DefinitionOptions, retry: RetryOptions = {}, retries = 0, random = 1): number {
  const made = makeRetry({ name: 't', id: 'i', retries, options: options(task) }, undefined, retry, {
    now,
    random: () => random,
  });
  return (made.at.getTime() - now) / 1000;
}

describe('a retry', () => {
  it.each<[string, DefinitionOptions, RetryOptions, number, number]>([
    ['the default is 180 s', {}, {}, 0, 180],
    ['the task says its delay', { defaultRetryDelay: '2m' }, {}, 1, 120],
    ['the retry says its delay', { defaultRetryDelay: 5 }, { countdown: 10 }, 0, 10],
    ['a delay of 0 is at once', {}, { countdown: 0 }, 0, 0],
    ['the retry says its time', {}, { eta: new Date(now + 7000) }, 0, 7],
    ['backoff starts at 1 s', { retryBackoff: true }, {}, 0, 1],
    ['backoff doubles', { retryBackoff: true, maxRetries: null }, {}, 5, 32],
    ['backoff starts where it is told', { retryBackoff: '500ms' }, {}, 2, 2],
    ['backoff ends at 600 s', { retryBackoff: true, maxRetries: null }, {}, 5000, 600],
    ['backoff ends where it is told', { retryBackoff: 3, retryBackoffMax: 10, maxRetries: null }, {}, 9, 10],
    ['a countdown goes before backoff', { retryBackoff: true }, { countdown: 44 }, 2, 44],
  ])('comes when it should: %s', (_, task, retry, retries, seconds) => {
    expect(delay({ ...task, retryJitter: false }, retry, retries)).toBe(seconds);
  });

  it('comes at a random time up to the backoff, unless told otherwise', () => {
    expect(delay({ retryBackoff: 8 }, {}, 1, 0)).toBe(0);
    expect(delay({ retryBackoff: 8 }, {}, 1, 0.25)).toBe(4);
    expect(delay({ retryBackoff: 8, retryJitter: false }, {}, 1, 0.25)).toBe(16);
  });

  it('is allowed maxRetries times, and then the error itself is thrown', () => {
    const cause = new TypeError('no');
    const retry = (retries: number, given: RetryOptions = {}, task: DefinitionOptions = {}): Retry =>
      makeRetry({ name: 't', id: 'i', retries, options: options(task) }, cause, given, {
        now,
        random: Math.random,
      });
    expect(retry(2)).toBeInstanceOf(Retry);
    expect(retry(2).cause).toBe(cause);
    expect(() => retry(3)).toThrow(cause);
    expect(retry(3, { maxRetries: 4 })).toBeInstanceOf(Retry);
    expect(() => retry(0, { maxRetries: 0 })).toThrow(cause);
    expect(retry(1000, {}, { maxRetries: null })).toBeInstanceOf(Retry);
    expect(() => retry(0, {}, { maxRetries: 0 })).toThrow(cause);
  });

  it('without an error ends with MaxRetriesExceeded, which keeps what was given', () => {
    const retry = (): Retry =>
      makeRetry(
        { name: 't', id: 'i', retries: 3, options: options() },
        'busy',
        {},
        { now, random: Math.random },
      );
    expect(retry).toThrow(MaxRetriesExceeded);
    expect(retry).toThrow("can't retry t[i] more than 3 times");
    expect(retry).toThrow(expect.objectContaining({ cause: 'busy', code: 'UMBEL_MAX_RETRIES' }));
  });

  it.each([
    [{ countdwn: 1 }, "unknown option 'countdwn' in the retry of 't'; did you mean 'countdown'?"],
    [{ countdown: 'soon' }, "'countdown' in the retry of 't' must be seconds or text"],
    [{ countdown: 1e20 }, "the time of the retry of 't' is an invalid Date, or too far away"],
    [{ timeLimit: -1 }, "'timeLimit' in the retry of 't' must be above 0"],
    [{ softTimeLimit: '1m' }, "'softTimeLimit' in the retry of 't' must be seconds"],
    [{ priority: 1.5 }, "'priority' in the retry of 't' must be a whole number"],
    [{ queue: '' }, "'queue' in the retry of 't' must be text that is not empty"],
    [{ args: 5 }, "'args' in the retry of 't' must be a list"],
    [{ kwargs: [] }, "'kwargs' in the retry of 't' must be a plain object"],
    [{ maxRetries: -1 }, "'maxRetries' in the retry of 't' must be a whole number"],
    [{ expires: true }, "'expires' in the retry of 't' must be"],
    [{ eta: new Date(Number.NaN) }, 'is an invalid Date'],
  ])('refuses %j', (given, message) => {
    expect(() => delay({}, given as RetryOptions)).toThrow(message); // what the compiler would refuse
  });
});

describe('an error', () => {
  class Flaky extends Error {}
  class VeryFlaky extends Flaky {}
  it.each<[string, unknown, DefinitionOptions, boolean]>([
    ['of a class that is named', new Flaky(), { autoretryFor: [Flaky] }, true],
    ['of a class below it', new VeryFlaky(), { autoretryFor: [Flaky] }, true],
    ['of another class', new TypeError(), { autoretryFor: [Flaky] }, false],
    [
      'of an excepted class',
      new VeryFlaky(),
      { autoretryFor: [Flaky], dontAutoretryFor: [VeryFlaky] },
      false,
    ],
    ['when nothing is said', new Flaky(), {}, false],
    ['that steers: Ignore', new Ignore(), { autoretryFor: [Error] }, false],
    ['that steers: Reject', new Reject(), { autoretryFor: [Error] }, false],
    ['that is none', 'text', { autoretryFor: [Error] }, false],
  ])('retries its task by itself or not: %s', (_, error, task, expected) => {
    expect(isRetriedByItself(error, options(task))).toBe(expected);
  });
});

describe('backoff', () => {
  it('is min(maximum, factor * 2^retries), with or without full jitter', () => {
    expect(
      [0, 1, 2, 3, 4].map((retries) => backoffDelay({ factor: 2, maximum: 20, jitter: false }, retries)),
    ).toEqual([2, 4, 8, 16, 20]);
    expect(backoffDelay({ factor: 1, maximum: 600, jitter: true }, 3, () => 0.5)).toBe(4);
    expect(backoffDelay({ factor: 1, maximum: 600, jitter: false }, 100_000)).toBe(600);
  });
});
