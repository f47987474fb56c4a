import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { parseRate } from '../../src/app/rate.ts';
import { ConfigError } from '../../src/errors.ts';
import { RateLimits } from '../../src/worker/rate-limits.ts';
import { Worker } from '../../src/worker/worker.ts';

describe('a rate', () => {
  it('is so many in a second, a minute, an hour; nothing and 0 are no limit', () => {
    const rates = [5, '5', '10/s', '90/m', '1800 / h', 0, '0/m', null].map((rate) => parseRate(rate, 'it'));
    expect(rates).toEqual([5, 5, 10, 1.5, 0.5, null, null, null]);
  });

  it('is refused when it is something else', () => {
    for (const rate of ['fast', '10/d', '-1', -1, Number.NaN, ''])
      expect(() => parseRate(rate, "'rateLimit'")).toThrow(ConfigError);
    const app = new App('rates', { broker: 'memory://' });
    expect(() => app.task('x', { rateLimit: '10/min' }, () => 1)).toThrow(
      /'rateLimit' in the options of the task 'x'.*'10\/m'/,
    );
  });
});

describe('the rate limits of a worker', () => {
  it('give each message that must wait a moment of its own, in the order of their coming', () => {
    const limits = new RateLimits();
    const asked = ['a', 'b', 'c'].map((id) => limits.askFor('t', 10, id, 1000));
    expect(asked).toEqual([null, 1100, 1200]);
    expect(limits.askFor('other', 10, 'd', 1000)).toBe(null);
    expect(limits.askFor('t', 10, 'b', 1050)).toBe(1100); // too early again
    expect(limits.askFor('t', 10, 'b', 1100)).toBe(null);
    expect(limits.askFor('t', 10, 'c', 1205)).toBe(null);
    expect(limits.askFor('t', 10, 'e', 1290)).toBe(1300);
    expect(limits.askFor('t', 10, 'f', 5000)).toBe(null);
  });

  it('promise a bounded number of moments, and forget those that nobody came for', () => {
    const limits = new RateLimits();
    const asked = Array.from({ length: 1500 }, (_, n) => limits.askFor('t', 1000, `m${n}`, 0));
    expect(new Set(asked.slice(0, 1001)).size).toBe(1001);
    expect(new Set(asked.slice(1001))).toEqual(new Set([1001]));
    expect(limits.askFor('t', 1000, 'late', 60_000)).toBe(null);
  });

  it('can be changed while it runs', () => {
    const limits = new RateLimits();
    limits.set('t', 1);
    expect([limits.askFor('t', null, 'a', 0), limits.askFor('t', null, 'b', 0)]).toEqual([null, 1000]);
    limits.set('t', null);
    expect([limits.askFor('t', 5, 'c', 0), limits.askFor('t', 5, 'd', 0)]).toEqual([null, null]);
  });
});

it('a worker starts a limited task so often, and others meanwhile; what waits takes no slot', async () => {
  const app = new App('rates', { broker: 'memory://', backend: 'memory://' });
  const starts: number[] = [];
  const limited = app.task('limited', { rateLimit: '1/s' }, () => void starts.push(performance.now()));
  const free = app.task('free', () => performance.now());
  await using worker = new Worker(app, { concurrency: 1 });
  const results = await limited.applyMany(Array.from({ length: 3 }, () => [] as const));
  const others = await free.applyMany(Array.from({ length: 20 }, () => [] as const));
  const begun = performance.now();
  await worker.start();
  const freeAt = await Promise.all(others.map((other) => other.get({ timeout: 15 })));
  await Promise.all(results.map((result) => result.get({ timeout: 15 })));
  // The first moment is after this one, and the others follow it; how late each comes is the machine's affair.
  expect((starts.at(-1) ?? 0) - begun).toBeGreaterThanOrEqual(2 * 1000 - 5);
  expect(Math.max(...freeAt)).toBeLessThan(starts.at(-1) ?? 0);
});
