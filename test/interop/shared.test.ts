// A worker of each language on one queue, and tasks that only one of them knows.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { App } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { PythonClient } from './harness/python-client.ts';
import type { CelerySettings } from './harness/python-process.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { defineTasks } from './programs/tasks.ts';

describe.skipIf(noRedis ?? noPython)('one queue, two languages', () => {
  let redis: RedisServerProcess;
  let settings: CelerySettings;
  let folder: string;
  let python: PythonClient;
  let pythonWorker: PythonWorker;
  let app: App;
  let served: App;
  let worker: Worker;

  beforeAll(async () => {
    redis = await RedisServerProcess.start();
    folder = mkdtempSync(join(tmpdir(), 'umbel-shared-'));
    settings = { broker_url: redis.url(0), result_backend: redis.url(1), task_default_queue: 'shared' };
    const urls = { broker: redis.url(0), backend: redis.url(1), taskDefaultQueue: 'shared' };
    python = new PythonClient({ settings });
    app = new App('caller', urls);
    served = new App('served', urls);
    defineTasks(served);
    worker = new Worker(served, { concurrency: 1 });
    [pythonWorker] = await Promise.all([
      PythonWorker.start({ settings, queues: ['shared'] }),
      worker.start(),
    ]);
  });

  afterAll(async () => {
    await Promise.allSettled([python?.[Symbol.asyncDispose](), pythonWorker?.[Symbol.asyncDispose]()]);
    await worker?.stop({ cold: true });
    await Promise.allSettled([app?.close(), served?.close()]);
    await redis?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('each takes its share of the tasks that both know', async () => {
    const sent = await Promise.all(Array.from({ length: 60 }, () => app.send<string>('both.who')));
    const who = await Promise.all(sent.map((result) => result.get({ timeout: 15 })));
    expect(new Set(who)).toEqual(new Set(['py', 'ts']));
  });

  test('a task that only Python knows gets to Python, though TypeScript takes it first', async () => {
    // One by one: then both wait for it, and TypeScript has mostly waited longer.
    for (let n = 0; n < 20; n++) {
      expect(await (await app.send('py.add', [n, 1])).get({ timeout: 15 })).toBe(n + 1);
    }
  });

  test('a task that only Python knows gets to Python past several TypeScript workers', async () => {
    await using second = new Worker(served, { name: 'second@%h' });
    await using third = new Worker(served, { name: 'third@%h' });
    await Promise.all([second.start(), third.start()]);
    const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => app.send('py.add', [n, 1])));
    const sums = await Promise.all(sent.map((result) => result.get({ timeout: 15 })));
    expect(sums).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  test('a task that only TypeScript knows is refused by a Python worker that takes it, which the caller is told', async () => {
    const sent = await Promise.all(Array.from({ length: 30 }, () => app.send('ts.add', [1, 2])));
    const ends = await Promise.all(sent.map((result) => result.get({ timeout: 15, propagate: false })));
    const refused = ends.filter((end) => end instanceof Error);
    // Celery's own rule: an unknown task is dropped at once. Such tasks want a queue of their own.
    expect(new Set(refused.map((error) => error.message.replace(/^task \S+ /, '')))).toEqual(
      new Set(['failed: NotRegistered: ts.add']),
    );
    expect(refused.length).toBeLessThan(30);
  });

  test('a task for later that TypeScript has put aside is run by Python when TypeScript has no hands free', async () => {
    const gate = join(folder, 'gate');
    await using only = new Worker(served, { queues: ['later'], concurrency: 1, name: 'later@%h' });
    await only.start();
    const due = Date.now() + 2500;
    const id = await python.send('both.who', { options: 'dict(countdown=2.5, queue="later")' });
    const broker = await app.broker();
    await vi.waitUntil(async () => (await broker.size('later')).scheduled === 1, 2000);
    const busy = await app.send('ts.wait', [gate], { queue: 'later' });
    for await (const { status } of busy.watch(AbortSignal.timeout(2000))) if (status === 'STARTED') break;
    await using other = await PythonWorker.start({ settings, queues: ['later'], name: 'later@%h' });
    expect(await app.result(id).get({ timeout: 15 })).toBe('py');
    expect(Date.now()).toBeGreaterThanOrEqual(due);
    writeFileSync(gate, '');
    expect(await busy.get({ timeout: 10 })).toBe('done');
    await other.stop();
  });
});
