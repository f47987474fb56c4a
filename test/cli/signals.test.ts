// What a worker does at each signal, as its supervisor sees it. Nothing may be in limbo afterwards.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { type Program, project, shop, startWorker, umbel } from './harness.ts';

const app = `${shop}
app.task('shop.spin', (seconds) => {
  console.log('spin begins');
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end);
});
`;
const withApp = ['-A', './app.js'];
const send = (folder: string, name: string, args: string) =>
  umbel(folder, [...withApp, 'call', name, '-a', args]);
async function sizes(folder: string) {
  const app = new App('shop', { broker: `sqlite://${join(folder, '.umbel', 'store.db')}` });
  try {
    return await (await app.broker()).size('celery');
  } finally {
    await app.close();
  }
}

/** A signal of its own: the same within 200 ms counts once. */
async function signal(worker: Program, name: NodeJS.Signals, said: RegExp): Promise<void> {
  worker.kill(name);
  await worker.said(said);
  await new Promise((resolve) => setTimeout(resolve, 300));
}

describe('a worker that is told to stop while a long task runs', () => {
  test.each([
    ['async', 'shop.slow', 'slow begins'],
    ['processes', 'shop.spin', 'spin begins'],
  ])('ends within its shutdown timeout in the pool %s, and the task is back in the queue', async (pool, task, begins) => {
    const folder = project({ 'app.js': app });
    const worker = await startWorker(folder, '-P', pool, '-c', '1', '--shutdown-timeout', '500ms');
    await send(folder, task, '[60]');
    await worker.said(new RegExp(begins));
    await send(folder, task, '[60]'); // waits behind it
    worker.kill('SIGTERM');
    expect((await worker.ended).code).toBe(1);
    expect(await sizes(folder)).toMatchObject({ ready: 2, claimed: 0 });
  });

  test('goes from warm to soft to cold with each signal', async () => {
    const folder = project({ 'app.js': app });
    const worker = await startWorker(folder, '-c', '1', '--soft-shutdown-timeout', '60');
    await send(folder, 'shop.slow', '[60]');
    await worker.said(/slow begins/);
    await signal(worker, 'SIGINT', /SIGINT: warm shutdown/);
    await signal(worker, 'SIGINT', /SIGINT: soft shutdown/);
    await signal(worker, 'SIGINT', /SIGINT: cold shutdown/);
    expect((await worker.ended).code).toBe(1);
    expect(await sizes(folder)).toMatchObject({ ready: 1, claimed: 0 });
  });
});

test('SIGUSR1 says what every slot is doing, with the stack of a thread that computes', async () => {
  const folder = project({ 'app.js': app });
  const worker = await startWorker(folder, '-P', 'threads', '-c', '2');
  const { stdout: id } = await send(folder, 'shop.spin', '[60]');
  await worker.said(/spin begins/);
  // A thread that does not tell its stack in time is asked again.
  for (let asked = 1; !/"stack":/.test(worker.stderr); asked++) {
    worker.kill('SIGUSR1');
    await worker.said(/runs since/, asked);
  }
  const lines = worker.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toContainEqual(expect.objectContaining({ pool: 'threads', concurrency: 2, running: 1 }));
  const line = lines.findLast(({ msg }) => /runs since/.test(msg));
  expect(line).toMatchObject({ task_id: id.trim(), task_name: 'shop.spin', args: '(60,)', queue: 'celery' });
  expect(line.stack).toMatch(/app\.js:\d+/);
  expect(worker.child.exitCode).toBeNull();
});

test('SIGHUP finishes what runs and starts the same command again, in the same process for who watches it', async () => {
  const folder = project({ 'app.js': app });
  const worker = await startWorker(folder, '-c', '3');
  for (let times = 2; times <= 3; times++) {
    const { stdout: id } = await send(folder, 'shop.slow', '[0.5]');
    await worker.said(/slow begins/, times - 1);
    worker.kill('SIGHUP');
    await worker.said(/takes up to 3 tasks/, times);
    expect((await umbel(folder, [...withApp, 'result', id.trim()])).stdout).toBe('slow ended\n');
  }
  expect((await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[1, 2]', '--wait', '60'])).stdout).toBe(
    '3\n',
  );
  worker.kill('SIGTERM');
  expect(await worker.ended).toMatchObject({ code: 0, signal: null });
});

needs(describe, noRedis)('a worker whose broker is down', () => {
  test('ends within the 10 s that docker leaves it, though a task runs', async () => {
    await using server = await RedisServerProcess.start();
    const folder = project({
      'app.js': app.replace("new App('shop')", `new App('shop', { broker: '${server.url()}' })`),
    });
    const worker = await startWorker(folder, '-c', '1', '--shutdown-timeout', '1');
    await send(folder, 'shop.slow', '[60]');
    await worker.said(/slow begins/);
    await server.stop();
    await worker.said(/broker is away/);
    const began = performance.now();
    worker.kill('SIGTERM');
    expect((await worker.ended).code).toBe(1);
    if (isLong) expect(performance.now() - began).toBeLessThan(10_000);
  });
});
