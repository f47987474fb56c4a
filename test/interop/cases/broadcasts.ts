// Broadcast queues: every worker gets every message, of either language.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { App } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import type { Pair } from '../harness/pair.ts';
import { PythonClient } from '../harness/python-client.ts';
import { PythonWorker } from '../harness/python-worker.ts';
import { defineTasks } from '../programs/tasks.ts';

export function broadcastCases(pair: () => Pair): void {
  test('what is sent to a broadcast queue runs on every worker of both languages, once, also when it comes from Python', async () => {
    const { servers, settings, folder } = pair();
    const path = join(folder, 'broadcasts');
    const noted = (): string[] =>
      existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').sort() : [];
    const python = { ...settings, broadcasts: ['all'], task_routes: {} };
    const taskQueues = [{ name: 'all', broadcast: true }];
    const apps = [1, 2].map((n) => new App(`listener ${n}`, { ...servers.typescript, taskQueues }));
    for (const app of apps) defineTasks(app);
    const workers = apps.map((app, n) => new Worker(app, { queues: ['all'], name: `ears-${n}@here` }));
    await using client = new PythonClient({ settings: python });
    await using pythonWorker = await PythonWorker.start({
      settings: python,
      queues: ['all'],
      name: 'ears@%h',
    });
    try {
      for (const worker of workers) await worker.start();
      const [app] = apps;
      const sent = await app?.send('both.note', [path], { queue: 'all', ignoreResult: true });
      await expect
        .poll(noted, { timeout: 15_000 })
        .toEqual([`py ${sent?.id}`, `ts ${sent?.id}`, `ts ${sent?.id}`]);
      // Without `declare`, Celery 5.2 takes the exchange for a direct one on Redis, also between its own programs.
      const id = await client.send('both.note', {
        args: `('${path}',)`,
        options: 'dict(queue="all", ignore_result=True, declare=[app.amqp.queues["all"].exchange])',
      });
      const ofPython = (): string[] => noted().filter((line) => line.endsWith(id));
      await expect.poll(ofPython, { timeout: 15_000 }).toEqual([`py ${id}`, `ts ${id}`, `ts ${id}`]);
      expect(noted()).toHaveLength(6);
      expect(pythonWorker.log).not.toContain('ERROR');
    } finally {
      for (const worker of workers) await worker.stop();
      for (const app of apps) await app.close();
    }
  });
}
