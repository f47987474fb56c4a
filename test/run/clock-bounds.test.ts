import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { clockBounds } from './clock-bounds.ts';

const planted = [
  'expect(performance.now() - begun).toBeLessThan(1000);',
  'const took = Date.now() - since;\nexpect(took).toBeLessThanOrEqual(3000);',
  'const started = Date.now();\nawait work();\nconst elapsed = Date.now() - started;\nexpect(elapsed / 2, "text").toBeLessThan(500);',
  "expect(\n  process.memoryUsage().rss - before,\n  'grown',\n).toBeLessThan(64);",
  "assert.ok(performance.now() - start < 5_000, 'given out long after it expired');",
  'latencies.push(performance.now() - put);\nlatencies.sort();\nassert.ok(latencies[5] < 300);',
  'late.push(Date.now() - eta);\nexpect(Math.max(...late)).toBeLessThan(2000);',
];

test.each(planted)('a bound on time is found: %s', (source) => {
  expect(clockBounds(source)).toHaveLength(1);
});

const allowed = [
  'expect(Date.now()).toBeGreaterThanOrEqual(eta.getTime());',
  'expect(calls).toBeLessThan(3);',
  'if (isLong) expect(performance.now() - begun).toBeLessThan(5000);',
  'const eta = new Date(Date.now() + 60_000);\nexpect(size).toBeLessThan(10);',
  'for (const late = Date.now() + 5; Date.now() < late; ) {\n  work();\n}',
];

test.each(allowed)('what bounds no time is not: %s', (source) => {
  expect(clockBounds(source)).toEqual([]);
});

test('no test of the default run, and no suite that we ship, judges by the clock', () => {
  const files = ['test', join('src', 'testing')].flatMap((folder) =>
    (readdirSync(folder, { recursive: true }) as string[])
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.long.test.ts'))
      .map((file) => join(folder, file)),
  );
  const found = files
    .filter((file) => !file.includes('clock-bounds'))
    .flatMap((file) => clockBounds(readFileSync(file, 'utf8')).map((each) => `${file}:${each}`));
  expect(found).toEqual([]);
});
