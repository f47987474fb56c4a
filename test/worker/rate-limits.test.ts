import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { parseRate } from '../../src/config/rate.ts';
import { ConfigError } from '../../src/errors.ts';
import { RateLimits } from '../../src/worker/rate-limits.ts';
import { Worker } from '../../src/worker/worker.ts';
import { patience } from '../until.ts';

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

it('a worker starts a limited task so often', async () => {
  const app = new App('rates', { broker: `memory://${crypto.randomUUID()}` });
  const limited = app.task('limited', { rateLimit: '5/s' }, () => performance.now());
  await using worker = new Worker(app, { concurrency: 1 });
  const results = await limited.applyMany(Array.from({ length: 3 }, () => [] as const));
  const begun = performance.now();
  await worker.start();
  const starts = await Promise.all(results.map((result) => result.get(patience)));
  // The first moment is after this one, and the others follow it; how late each comes is the machine's affair.
  expect(Math.max(...starts) - begun).toBeGreaterThanOrEqual(2 * 200 - 5);
});

it('others run while a limited task waits, which takes no slot', async () => {
  const app = new App('rates', { broker: `memory://${crypto.randomUUID()}` });
  let runs = 0;
  const limited = app.task('limited', { rateLimit: '1/h' }, () => void runs++);
  const free = app.task('free', () => 'free');
  await using worker = new Worker(app, { concurrency: 1 });
  const [first] = await limited.applyMany(Array.from({ length: 3 }, () => [] as const));
  const others = await free.applyMany(Array.from({ length: 20 }, () => [] as const));
  await worker.start();
  await Promise.all(others.map((other) => other.get(patience)));
  await first?.get(patience);
  expect(runs).toBe(1);
});
