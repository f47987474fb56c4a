// The examples of workflows, run on the built package as they stand.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-workflows-'));

beforeAll(async () => {
  process.env.UMBEL_BROKER_URL = `memory://${crypto.randomUUID()}`;
  process.env.ORDERS = join(folder, 'orders');
});
afterAll(() => {
  delete process.env.UMBEL_BROKER_URL;
  delete process.env.ORDERS;
  rmSync(folder, { recursive: true, force: true });
});

/** The module, as the users of the built package load it. */
function example<Module>(path: string): Promise<Module> {
  return import(/* @vite-ignore */ join(root, 'examples', path)) as Promise<Module>;
}

test('map and reduce: the words of all files of a folder are counted', async () => {
  mkdirSync(join(folder, 'texts', 'deeper'), { recursive: true });
  writeFileSync(join(folder, 'texts', 'one.md'), 'A rose is a rose');
  writeFileSync(join(folder, 'texts', 'deeper', 'two.txt'), 'is a rose');
  writeFileSync(join(folder, 'texts', 'three.html'), 'rose rose rose');
  const { wordsOf } = await example<typeof import('../../examples/map-reduce/main.ts')>('map-reduce/main.ts');
  const { app } = await example<typeof import('../../examples/map-reduce/app.ts')>('map-reduce/app.ts');
  const { drain } = await import('umbel/testing');
  const result = await wordsOf(join(folder, 'texts'), 2);
  await drain(app, { timeout: 60 });
  expect(await result.get({ timeout: 60 })).toEqual([
    ['a', 3],
    ['rose', 3],
  ]);
  await app.close();
});

test('an order that cannot be paid or shipped is undone step by step', async () => {
  const { app, handle, stateOf } =
    await example<typeof import('../../examples/order-pipeline/app.ts')>('order-pipeline/app.ts');
  const { drain } = await import('umbel/testing');
  const orders = [
    { id: 'a1', item: 'kettle', price: 30 },
    { id: 'a2', item: 'piano', price: 4000 },
    { id: 'a3', item: 'anvil', price: 90 },
  ];
  const results = [];
  for (const order of orders) results.push(await handle(order).delay());
  await drain(app, { timeout: 60 });
  const ends = [];
  for (const result of results) ends.push(await result.status());
  expect(ends).toEqual(['SUCCESS', 'FAILURE', 'FAILURE']);
  expect(orders.map(stateOf)).toEqual([['reserved', 'charged', 'shipped'], [], []]);
  await app.close();
});

needs(test, noRedis ?? noPython)(
  'a workflow in two languages: members end in Python, what follows them runs here',
  async () => {
    const redis = await RedisServerProcess.shared();
    const urls = { UMBEL_BROKER_URL: redis.url(0), UMBEL_RESULT_BACKEND: redis.url(1) };
    Object.assign(process.env, urls);
    const python = spawn(
      '/usr/bin/python3',
      ['-m', 'celery', '-A', 'reports', 'worker', '-Q', 'python', '-P', 'solo', '-l', 'INFO'],
      {
        cwd: join(root, 'examples/two-languages'),
        env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
        stdio: 'ignore',
      },
    );
    const ended = once(python, 'exit');
    try {
      const { app, report } =
        await example<typeof import('../../examples/two-languages/app.ts')>('two-languages/app.ts');
      const { Worker } = await import('umbel/worker');
      await using worker = new Worker(app, { queues: ['typescript'] });
      await worker.start();
      const result = await report(['one', 'three', 'eleven']).delay();
      expect(await result.get({ timeout: 60 })).toBe(`mean of squares: ${(9 + 25 + 36) / 3}`);
      await worker.stop();
      await app.close();
    } finally {
      delete process.env.UMBEL_RESULT_BACKEND;
      python.kill('SIGKILL');
      await ended;
    }
  },
);
