// What is more urgent is run first, whoever sent it.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { App, type AsyncResult, type SendOptions } from '../../../src/index.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { patience, until } from '../../until.ts';
import type { Pair } from '../harness/pair.ts';
import { PythonWorker } from '../harness/python-worker.ts';

const priorities = [5, 0, 9, 3, 7];

export function priorityCases(pair: () => Pair): void {
  test('TypeScript takes what Python sent in order of priority', async () => {
    const { python, served, folder, servers } = pair();
    for (const priority of priorities) {
      const args = `("${folder}", "ts ${priority}")`;
      await python.send('both.order', { args, options: `dict(queue="order-ts", priority=${priority})` });
    }
    const last = await python.send('both.order', {
      args: `("${folder}", "ts last")`,
      options: `dict(queue="order-ts", priority=${9 - servers.firstPriority})`,
    });
    // Python does not wait for RabbitMQ to have it.
    await until(async () => (await servers.waiting('order-ts')) === priorities.length + 1);
    await using worker = new Worker(served, { queues: ['order-ts'], concurrency: 1, name: 'order@%h' });
    await worker.start();
    await python.get(last);
    expect(orderIn(folder, 'ts')).toEqual([...byUrgency(servers.firstPriority), 'last']);
  });

  describe('of what was there when a worker of Python started', () => {
    let python: PythonWorker;
    let named: App;
    const sent: AsyncResult[] = [];
    beforeAll(async () => {
      const { app, folder, servers } = pair();
      const send = async (by: App, label: string, options: SendOptions): Promise<void> =>
        void sent.push(await by.send('both.order', [folder, label], options));
      for (const priority of priorities) await send(app, `py ${priority}`, { queue: 'order-py', priority });
      await send(app, 'py last', { queue: 'order-py', priority: 9 - servers.firstPriority });

      named = new App('named', { ...servers.typescript, taskDefaultPriority: 'normal' });
      const queue = 'order-names';
      await send(named, 'name low', { queue, priority: 'low' });
      await send(named, 'name normal', { queue, priority: 'normal' });
      await send(named, 'name nothing said', { queue });
      await send(named, 'name urgent', { queue, priority: 'urgent' });
      await send(named, 'name high', { queue, priority: 'high' });

      const queues = ['order-py', 'order-names'];
      python = await PythonWorker.start({ settings: servers.python, queues, name: 'order@%h' });
      for (const result of sent) await result.get(patience);
    });
    afterAll(async () => {
      await python?.[Symbol.asyncDispose]();
      await named?.close();
    });

    test('Python takes what TypeScript sent in order of priority', () => {
      const { folder, servers } = pair();
      expect(orderIn(folder, 'py')).toEqual([...byUrgency(servers.firstPriority), 'last']);
    });

    test('priorities by name mean the same to Python', () => {
      const { folder } = pair();
      expect(orderIn(folder, 'name')).toEqual(['urgent', 'high', 'normal', 'nothing said', 'low']);
    });
  });
}

/** What the tasks of one language wrote down, in order. */
function orderIn(folder: string, prefix: string): string[] {
  const lines = readFileSync(`${folder}/order`, 'utf8').trimEnd().split('\n');
  return lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length + 1));
}

/** Redis has the four steps 0, 3, 6 and 9; within one, first in, first out. RabbitMQ has all ten. */
function byUrgency(firstPriority: 0 | 9): string[] {
  const rank = (priority: number): number => (firstPriority === 9 ? 9 - priority : Math.floor(priority / 3));
  return [...priorities].sort((a, b) => rank(a) - rank(b)).map(String);
}
