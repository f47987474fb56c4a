// What Python programs and Flower send: their truth, their way to say none, their hidden arguments.
import { describe, expect, it } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { newApp, startWorker } from '../worker/bench.ts';

const whom = { destination: ['celery@here'], timeout: 60 };

describe('commands as Python sends them', () => {
  it.each([1, 'true', true])('terminate: %j ends the task', async (terminate) => {
    const app = await newApp('memory');
    const begun = deferred<void>();
    const slow = app.task('slow', { bind: true }, async (task) => {
      begun.resolve();
      await new Promise((_, no) => task.signal.addEventListener('abort', () => no(task.signal.reason)));
    });
    await startWorker(app);
    const control = new Control(app);
    const result = await slow.delay();
    await begun.promise;
    const answer = await control.ask('revoke', { task_id: result.id, terminate }, whom);
    expect(answer.replies.get('celery@here')).toEqual({ ok: `terminate: ${result.id}` });
    await expect(result.get({ timeout: 60 })).rejects.toThrow(/revoked|terminated/i);
  });

  it.each([0, false, '', null, undefined])('terminate: %j only flags it', async (terminate) => {
    const app = await newApp('memory');
    await startWorker(app);
    const answer = await new Control(app).ask('revoke', { task_id: 'some', terminate }, whom);
    expect(answer.replies.get('celery@here')).toEqual({ ok: "tasks {'some'} flagged as revoked" });
  });

  it('a time limit of 0 is none', async () => {
    const app = await newApp('memory');
    app.task('limited', { timeLimit: 5, softTimeLimit: 4 }, () => null);
    await startWorker(app);
    const control = new Control(app);
    const ask = async (method: string, args: Record<string, unknown>): Promise<unknown> =>
      (await control.ask(method, args, whom)).replies.get('celery@here');
    expect(await ask('time_limit', { task_name: 'limited', soft: 0, hard: 0 })).toEqual({
      ok: 'time limits set successfully',
    });
    expect(await ask('time_limit', { task_name: 'limited', soft: -1 })).toMatchObject({
      error: expect.stringContaining('0 for none'),
    });
  });

  it('arguments that their sender hid stay hidden', async () => {
    const app = await newApp('memory');
    const begun = deferred<void>();
    const over = deferred<void>();
    const pay = app.task('pay', async (_card: string) => {
      begun.resolve();
      await over.promise;
    });
    await startWorker(app);
    await pay.applyAsync(['4111-1111'], { argsrepr: '(<hidden>)' });
    await begun.promise;
    const answer = await new Control(app).ask('active', { safe: 1 }, whom);
    over.resolve();
    expect(answer.replies.get('celery@here')).toMatchObject([{ name: 'pay', args: '(<hidden>)' }]);
  });
});
