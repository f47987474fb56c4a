// Paused queues and tasks: left alone by workers that run and by those that start later, until somebody resumes them.

import { expect, it } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { patience, until } from '../until.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';

const asking = { ...patience, limit: 1 };

export const pauseCases: Cases = (broker, newUrls) => {
  it('a paused queue is left alone, also by a worker that starts later, and others are served', async () => {
    const app = appOn(await newUrls(), { taskQueues: ['celery', 'mail'] });
    const runs: string[] = [];
    const note = app.task('note', (name: string) => {
      runs.push(name);
    });
    const { worker } = await workerOf(app);
    await using control = new Control(app);
    const { replies } = await control.pause(
      { queue: 'mail' },
      { ...asking, by: 'ann', reason: 'it is down' },
    );
    expect([...replies.values()]).toEqual([{ ok: 'paused: queue mail' }]);
    const first = await note.applyAsync(['first'], { queue: 'mail' });
    await (await note.delay('beside')).get(patience);
    await worker.stop();

    const second = await workerOf(app);
    expect(second.log.texts('warn').join()).toContain("the queue 'mail' since");
    await (await note.delay('after a restart')).get(patience);
    expect(runs).toEqual(['beside', 'after a restart']);
    const mail = (await app.queues.list()).find(({ name }) => name === 'mail');
    expect(mail).toMatchObject({ ready: 1, paused: { by: 'ann', reason: 'it is down' } });
    expect(await app.queues.paused()).toMatchObject([{ kind: 'queue', name: 'mail', by: 'ann' }]);
    const [served] = (await control.inspect(asking).activeQueues()).replies.values();
    expect(served?.map(({ name, paused }) => [name, paused ?? false])).toEqual([
      ['celery', false],
      ['mail', true],
    ]);
    expect(await control.why(first.id, { timeout: 0.3 })).toMatchObject(
      broker === 'rabbitmq' ? {} : { kind: 'paused', what: 'queue', name: 'mail', by: 'ann' },
    );

    await control.resume({ queue: 'mail' }, asking);
    await first.get(patience);
    expect(runs).toEqual(['beside', 'after a restart', 'first']);
    expect(await app.queues.paused()).toEqual([]);
  });

  it('a worker all of whose queues are paused answers, and begins when one is resumed', async () => {
    const app = appOn(await newUrls());
    const note = app.task('note', (name: string) => name);
    await using control = new Control(app);
    await control.pause({ queue: 'celery' }, { timeout: 0.05 });
    const waits = await note.delay('waits');
    await workerOf(app);
    expect((await control.ping(asking)).replies.size).toBe(1);
    expect((await app.queues.list()).map(({ ready }) => ready)).toEqual([1]);
    await control.resume({ queue: 'celery' }, asking);
    expect(await waits.get(patience)).toBe('waits');
  });

  it('a paused task goes back to its queue, and begins when it is resumed', async ({ skip }) => {
    if (broker === 'rabbitmq') skip('RabbitMQ brings nothing forward: its messages come back by themselves');
    const app = appOn(await newUrls());
    const note = app.task('note', (name: string) => name);
    const other = app.task('other', (name: string) => name);
    await workerOf(app);
    await using control = new Control(app);
    await control.pause({ task: 'note' }, asking);
    const waits = await note.delay('waits');
    expect(await (await other.delay('runs')).get(patience)).toBe('runs');
    await until(async () => (await app.queues.list())[0]?.scheduled === 1, 'the message back in its queue');
    expect(await control.why(waits.id, { timeout: 0.3 })).toMatchObject({ kind: 'paused', what: 'task' });
    await control.resume({ task: 'note' }, asking);
    expect(await waits.get(patience)).toBe('waits');
  });

  if (broker === 'rabbitmq')
    it('without results that can keep it, nothing can be paused, and the error says what to do', async () => {
      const { broker: url } = await newUrls();
      const app = appOn({ broker: url }, { backend: null });
      await using control = new Control(app);
      await expect(control.pause({ queue: 'mail' }, asking)).rejects.toMatchObject({
        code: 'UMBEL_CANNOT_PAUSE',
        message: expect.stringContaining('umbel control cancel_consumer'),
      });
      expect(await app.queues.paused()).toEqual([]);
    });
};
