// Workflows where results are messages: what follows must know where its sender waits, and nothing can be stored for later.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App, chain, chord, group, WorkflowError } from '../../src/index.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { MemoryLog } from '../worker/memory-log.ts';

/** Twenty of these are more than is carried along where results are stored. */
const long = 'x'.repeat(2000);

needs(describe, noRabbit)('a workflow with results by rpc', () => {
  let server: RabbitServerProcess;
  let app: App;
  let worker: Worker;
  beforeAll(async () => {
    server = await RabbitServerProcess.shared();
    // Two applications: who sends the second step is not who waits for it.
    app = new App('sender', { broker: server.url(), backend: 'rpc://' });
    const running = new App('runner', { broker: server.url(), backend: 'rpc://' });
    const add = running.task('add', (x: number, y: number) => x + y);
    const count = running.task('count', (before: number, text: string) => before + text.length);
    running.task('grow', { bind: true }, (task): number => {
      throw task.replace(
        chain<[], number>([add.s(0, 0), ...Array.from({ length: 19 }, () => count.s(long))]),
      );
    });
    worker = new Worker(running, { logger: new MemoryLog() });
    await worker.start();
  });
  afterAll(async () => {
    await worker?.stop();
    await app?.close();
    await server?.[Symbol.asyncDispose]();
  });

  it('a chain gives each of its results, and a group at its end, too', async () => {
    const add = app.remote<(x: number, y: number) => number>('add');
    const result = await chain(add.s(1, 2), add.s(3), group([add.s(10), add.s(20)])).delay();
    expect(await result.get({ timeout: 60 })).toEqual([16, 26]);
    expect(await result.parent?.get({ timeout: 60 })).toBe(6);
    expect(await result.parent?.parent?.get({ timeout: 60 })).toBe(3);
  });

  it('a long chain is carried along, whatever its size', async () => {
    const add = app.remote<(x: number, y: number) => number>('add');
    const count = app.remote<(before: number, text: string) => number>('count');
    const result = await chain<[], number>([
      add.s(0, 0),
      ...Array.from({ length: 20 }, () => count.s(long)),
    ]).delay();
    expect(await result.get({ timeout: 60 })).toBe(40_000);
  });

  it('so is what takes the place of a running task', async () => {
    const grow = app.remote<() => number>('grow');
    const result = await grow.delay();
    expect(await result.get({ timeout: 60 })).toBe(38_000);
  });

  it('a chord is refused before anything is sent, and a group cannot be saved', async () => {
    const add = app.remote<(x: number, y: number) => number>('add');
    const total = app.remote<(all: number[]) => number>('total');
    await expect(chord([add.s(1, 2)], total.s()).delay()).rejects.toThrow(/keeps its results in rpc/);
    const pair = await group([add.s(1, 2)]).delay();
    await expect(pair.save()).rejects.toThrow(WorkflowError);
    expect(await pair.get({ timeout: 60 })).toEqual([3]);
  });
});
