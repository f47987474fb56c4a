// Broadcast queues: every worker gets every message, of either language.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { App } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import type { Pair } from '../harness/pair.ts';
import { PythonWorker } from '../harness/python-worker.ts';
import { defineTasks } from '../programs/tasks.ts';

export function broadcastCases(pair: () => Pair): void {
  test('what is sent to a broadcast queue runs on every worker of both languages, once, also when several come together or one from Python', async () => {
    const { servers, settings, folder, python } = pair();
    // The tasks of one kind of call write into one file.
    const file = (kind: string): string => join(folder, `broadcasts-${kind}`);
    const noted = (kind: string): string[] =>
      existsSync(file(kind)) ? readFileSync(file(kind), 'utf8').trim().split('\n').sort() : [];
    const taskQueues = [{ name: 'all', broadcast: true }];
    const apps = [1, 2].map((n) => new App(`listener ${n}`, { ...servers.typescript, taskQueues }));
    for (const app of apps) defineTasks(app);
    const workers = apps.map((app, n) => new Worker(app, { queues: ['all'], name: `ears-${n}@here` }));
    await using pythonWorker = await PythonWorker.start({
      settings: { ...settings, broadcasts: ['all'], task_routes: {} },
      queues: ['all'],
      name: 'ears@%h',
    });
    try {
      for (const worker of workers) await worker.start();
      const [app] = apps;
      const send = async (kind: string): Promise<string> => {
        const call = { queue: 'all', ignoreResult: true };
        return (await app?.send('both.note', [file(kind)], call))?.id ?? '';
      };
      const byAll = (id: string): string[] => [`py ${id}`, `ts ${id}`, `ts ${id}`];
      // On Redis a worker of Python subscribes a moment after it has said that it is ready.
      const hears = async (): Promise<boolean> => {
        await send('first');
        return noted('first').some((line) => line.startsWith('py'));
      };
      await expect.poll(hears, { interval: 200 }).toBe(true);
      // Several that arrive together: none waits for the next one.
      const together = await Promise.all(Array.from({ length: 5 }, () => send('together')));
      await expect.poll(() => noted('together')).toEqual(together.flatMap(byAll).sort());
      const sent = await send('once');
      await expect.poll(() => noted('once')).toEqual(byAll(sent));
      // Without `declare`, Celery 5.2 takes the exchange for a direct one on Redis, also between its own programs.
      await python.eval(
        'app.amqp.queues.add(__import__("kombu.common", fromlist=["common"]).Broadcast("all")) and None',
      );
      const id = await python.send('both.note', {
        args: `('${file('once')}',)`,
        options: 'dict(queue="all", ignore_result=True, declare=[app.amqp.queues["all"].exchange])',
      });
      const ofPython = (): string[] => noted('once').filter((line) => line.endsWith(id));
      await expect.poll(ofPython).toEqual(byAll(id));
      expect(noted('once')).toHaveLength(6);
      expect(pythonWorker.log).not.toContain('ERROR');
    } finally {
      for (const worker of workers) await worker.stop();
      for (const app of apps) await app.close();
    }
  });
}
