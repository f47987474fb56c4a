// A broker that takes connections and answers nothing: a machine that swaps, a process that somebody stopped.
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { type Ask, newDashboard } from './bench.ts';

needs(describe, noRedis)('a dashboard that starts while its Redis stands still', () => {
  async function frozen(): Promise<{ ask: Ask; thaw: () => void; app: App }> {
    const redis = await RedisServerProcess.start();
    onTestFinished(async () => {
      redis.signal('SIGCONT');
      await redis[Symbol.asyncDispose]();
    });
    redis.signal('SIGSTOP');
    const app = await newApp('memory', { broker: redis.url() });
    app.task('shop.add', (a: number, b: number) => a + b);
    return { ask: newDashboard(app), thaw: () => redis.signal('SIGCONT'), app };
  }

  it("answers Flower's routes with what is known or a sentence, and with all when the Redis goes on", async () => {
    const { ask, thaw, app } = await frozen();
    const asked = async (path: string, init?: RequestInit): Promise<string> => {
      const { status, text } = await ask(path, init);
      return `${status} ${text}`;
    };
    const answers = await Promise.all(
      ['/api/tasks', '/api/task/types', '/workers?json=1', '/api/workers', '/api/queues/length'].map((path) =>
        asked(path),
      ),
    );
    expect(answers).toEqual([
      '200 {}',
      '200 {"task-types":[]}',
      '200 {"data":[]}',
      '503 Failed to update workers: the broker did not answer in time',
      expect.stringMatching(/^503 the broker .* is unavailable, and nothing was sent/),
    ]);
    expect(await asked('/metrics')).toMatch(/^200 # HELP flower_events_total/);
    const acts = ['worker/shutdown/w@here', 'task/revoke/some-id', 'task/send-task/shop.add'];
    for (const path of acts)
      expect(await asked(`/api/${path}`, { method: 'POST', body: '{}' })).toMatch(
        /^503 .*(?:nothing was sent|the action was not done: redis:.* cannot be reached)/,
      );
    thaw();
    await startWorker(app, { taskEvents: true });
    await until(async () => (await asked('/api/workers?refresh=1')).includes('celery@here'), 'the worker');
    expect(await (await app.broker()).size('celery')).toMatchObject({ ready: 0 });
    expect(await app.audit.list()).toEqual([]);
  }, 120_000);

  it('says on each page what is missing, and shows what it has', async () => {
    const { ask } = await frozen();
    for (const path of ['overview', 'tasks', 'failures', 'jobs', 'restart', 'doctor'])
      expect((await ask(`/api/v1/${path}`)).status, path).toBe(200);
    const missing = /the broker did not answer in time|cannot be reached/;
    await until(async () => missing.test((await ask('/api/v1/workers')).text), 'the sentence of workers');
    // No page waits until its request to the broker fails.
    for (const path of ['queues', 'schedules', 'schedules/calendar', 'limits', 'locks', 'dead', 'audit'])
      await until(
        async () => (await ask(`/api/v1/${path}`)).text.includes('the broker did not answer in time'),
        `the sentence of ${path}`,
      );
  }, 120_000);
});
