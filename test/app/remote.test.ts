import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { patienceMs } from '../until.ts';

async function sentBy(send: (app: App) => Promise<unknown>): Promise<{ args: unknown; kwargs: unknown }> {
  await using app = new App('test', { broker: 'memory://' });
  await send(app);
  const broker = await app.broker();
  await using consumer = await broker.consume({ queues: ['celery', 'ml'], name: 'test', leaseMs: 15_000 });
  const [delivery] = await consumer.claim(() => 1, AbortSignal.timeout(patienceMs));
  if (!delivery?.message.ok) throw new Error('nothing was sent');
  const task = decodeTask(delivery.message.value, { accept: ['json'], maxSize: 10_000 });
  if (!task.ok) throw new Error(task.refusal.detail);
  return { args: task.value.args, kwargs: task.value.kwargs };
}

describe('a task that lives elsewhere', () => {
  type Train = (input: { data: string; rounds?: number }) => number;

  it('takes its arguments by position', async () => {
    const sent = sentBy((app) => app.remote<(a: number, b: string) => void>('t').delay(1, 'two'));
    expect(await sent).toEqual({ args: [1, 'two'], kwargs: {} });
  });

  it('takes them by name, where it is said to', async () => {
    const sent = { args: [], kwargs: { data: 'a', rounds: 3 } };
    const input = { data: 'a', rounds: 3 };
    const options = { keywords: true, queue: 'ml' } as const;
    expect(await sentBy((app) => app.remote<Train>('t', options).delay(input))).toEqual(sent);
    expect(await sentBy((app) => app.remote<Train>('t', options).applyAsync(input, { expires: 60 }))).toEqual(
      sent,
    );
    expect(await sentBy((app) => app.remote<Train>('t', options).applyMany([input]))).toEqual(sent);
    expect(await sentBy((app) => app.send('t', [], { kwargs: input }))).toEqual(sent);
  });

  it('takes both by name and by position when it is sent by name', async () => {
    const sent = sentBy((app) => app.send('t', [1], { kwargs: { b: 2 } }));
    expect(await sent).toEqual({ args: [1], kwargs: { b: 2 } });
  });

  it('refuses what is not one object', async () => {
    await using app = new App('test', { broker: 'memory://' });
    const train = app.remote<Train>('ml.train', { keywords: true });
    await expect(train.delay(5 as never)).rejects.toThrow('the task takes one object with its arguments');
    await expect(train.applyAsync([{ data: 'a' }] as never)).rejects.toThrow('takes one object');
    await expect(async () => train({ data: 'a' })).rejects.toThrow('lives elsewhere');
  });
});
