// A worker of each language on one queue, and tasks that only one of them knows.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App, type AppOptions, type AsyncResult } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, patienceMs, until } from '../until.ts';
import { PythonClient } from './harness/python-client.ts';
import type { CelerySettings } from './harness/python-process.ts';
import { PythonWorker } from './harness/python-worker.ts';
import { defineTasks } from './programs/tasks.ts';

needs(describe, noRedis ?? noPython)('one queue, two languages', () => {
  let redis: RedisServerProcess;
  let settings: CelerySettings;
  let urls: AppOptions;
  let folder: string;
  let python: PythonClient;
  let pythonWorker: PythonWorker;
  let app: App;
  let served: App;
  let worker: Worker;

  beforeAll(async () => {
    redis = await RedisServerProcess.shared();
    folder = mkdtempSync(join(tmpdir(), 'umbel-shared-'));
    settings = { broker_url: redis.url(0), result_backend: redis.url(1), task_default_queue: 'shared' };
    urls = {
      broker: redis.url(0),
      backend: redis.url(1),
      taskDefaultQueue: 'shared',
      taskPublishTimeout: patience.timeout,
    };
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
    rmSync(folder, { recursive: true, force: true });
  });

  test('each takes its share of the tasks that both know', async () => {
    const who = new Set<string>();
    await until(async () => {
      const sent = await Promise.all(Array.from({ length: 20 }, () => app.send<string>('both.who', [0.03])));
      for (const result of sent) who.add(await result.get(patience));
      return who.size > 1;
    }, 'a task that each has run');
    expect(who).toEqual(new Set(['py', 'ts']));
  });

  test('a task that only Python knows gets to Python, though TypeScript takes it first', async () => {
    // One by one: then both wait for it, and TypeScript has mostly waited longer.
    for (let n = 0; n < 20; n++) {
      expect(await (await app.send('py.add', [n, 1])).get(patience)).toBe(n + 1);
    }
  });

  test('a task that only Python knows gets to Python past several TypeScript workers', async () => {
    await using second = new Worker(served, { name: 'second@%h' });
    await using third = new Worker(served, { name: 'third@%h' });
    await Promise.all([second.start(), third.start()]);
    const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => app.send('py.add', [n, 1])));
    const sums = await Promise.all(sent.map((result) => result.get(patience)));
    expect(sums).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  });

  test('a task that only TypeScript knows is refused by a Python worker that takes it, which the caller is told', async () => {
    const ends: unknown[] = [];
    const refused = (): Error[] => ends.filter((end) => end instanceof Error);
    await until(async () => {
      const sent = await Promise.all(Array.from({ length: 15 }, () => app.send('ts.add', [1, 2])));
      for (const result of sent) ends.push(await result.get({ ...patience, propagate: false }));
      return refused().length > 0 && refused().length < ends.length;
    }, 'tasks that each has taken');
    // Celery's own rule: an unknown task is dropped at once. Such tasks want a queue of their own.
    expect(new Set(refused().map((error) => error.message.replace(/^task \S+ /, '')))).toEqual(
      new Set(['failed: NotRegistered: ts.add']),
    );
    expect(new Set(ends.filter((end) => !(end instanceof Error)))).toEqual(new Set([3]));
  });

  test('a task for later that TypeScript has deferred is run by Python when TypeScript has no hands free', async () => {
    await using only = new Worker(served, { queues: ['later'], concurrency: 1, name: 'later@%h' });
    await only.start();
    const broker = await app.broker();
    const isAside = async (): Promise<boolean> => (await broker.size('later')).scheduled === 1;
    for (let countdown = 2.5; ; countdown *= 2) {
      const gate = join(folder, `gate-${countdown}`);
      const due = Date.now() + countdown * 1000;
      const options = `dict(countdown=${countdown}, queue="later")`;
      const id = await python.send('both.who', { options });
      await until(async () => (await isAside()) || Date.now() > due);
      const busy = await app.send('ts.wait', [gate], { queue: 'later' });
      await started(busy);
      if (Date.now() > due) {
        // Too late: it may have been run already. Once more, with more time.
        writeFileSync(gate, '');
        await Promise.all([busy, app.result(id)].map((result) => result.get(patience)));
        continue;
      }
      await using other = await PythonWorker.start({ settings, queues: ['later'], name: 'later@%h' });
      expect(await app.result(id).get(patience)).toBe('py');
      expect(Date.now()).toBeGreaterThanOrEqual(due);
      writeFileSync(gate, '');
      expect(await busy.get(patience)).toBe('done');
      await other.stop();
      break;
    }
  });

  // Celery on Redis delivers again what was not acknowledged for `visibility_timeout`, and looks when a worker starts.
  const hasty = { broker_transport_options: { visibility_timeout: 1 }, task_acks_late: true };

  test('Python does not take back what TypeScript runs, however short its patience is', async () => {
    const gate = join(folder, 'long');
    await using only = new Worker(served, { queues: ['long-ts'], name: 'long@%h' });
    await only.start();
    const long = await app.send('ts.wait', [gate], { queue: 'long-ts' });
    await started(long);
    await sleep(1500); // longer than it has
    await using other = await PythonWorker.start({
      settings: { ...settings, ...hasty },
      queues: ['long-ts'],
    });
    expect(await (await app.send('py.add', [2, 3], { queue: 'long-ts' })).get(patience)).toBe(5);
    expect(other.log).not.toContain('ts.wait');
    writeFileSync(gate, '');
    expect(await long.get(patience)).toBe('done');
  });

  test('TypeScript does not take back what Python runs, however short its lease is', async () => {
    const gate = join(folder, 'long-python');
    await using holder = await PythonWorker.start({
      settings: { ...settings, task_acks_late: true },
      queues: ['long-py'],
    });
    const long = await app.send('py.wait', [gate], { queue: 'long-py' });
    await started(long);
    const impatient = new App('impatient', { ...urls, workerLease: 1 });
    try {
      await using other = new Worker(impatient, { queues: ['long-py'], name: 'impatient@%h' });
      await other.start();
      await sleep(2500); // longer than any lease
      const held = redis.cli('HVALS', 'unacked').split('\n');
      expect(held.filter((message) => message.includes(long.id))).toHaveLength(1);
      const { ready, scheduled, claimed } = await (await app.broker()).size('long-py');
      expect({ ready, scheduled, claimed }).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
      writeFileSync(gate, '');
      expect(await long.get(patience)).toBe('done');
      expect(holder.log.match(/py\.wait\S+ received/g)).toHaveLength(1);
    } finally {
      await impatient.close();
    }
  });
});

/** Waits until somebody runs it. */
async function started(result: AsyncResult): Promise<void> {
  for await (const { status } of result.watch(AbortSignal.timeout(patienceMs)))
    if (status === 'STARTED') return;
  throw new Error(`nobody ran ${result.id}`);
}
