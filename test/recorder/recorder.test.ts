import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { chord, group } from '../../src/app/compose.ts';
import { gapsBetween } from '../../src/history/gaps.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { redactFacts } from '../../src/history/redact-facts.ts';
import { Recorder, type RecorderOptions } from '../../src/recorder/recorder.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { MemoryLog } from '../worker/memory-log.ts';

async function recording(app: App, options: RecorderOptions = {}): Promise<Recorder> {
  const recorder = new Recorder(app, options);
  onTestFinished(() => recorder.stop());
  await recorder.start();
  return recorder;
}

describe('the recorder', () => {
  it('keeps what becomes of each task, and the application can ask for it', async () => {
    const app = await newApp('sqlite', { taskSendSentEvent: true });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const fail = app.task('shop.fail', { bind: true, maxRetries: 1 }, (task, why: string) => {
      throw task.retry(new TypeError(why), { countdown: 0 });
    });
    // The second hears the same, and changes nothing.
    const recorder = await recording(app);
    const second = await recording(app);
    await startWorker(app, { taskEvents: true });
    const sum = await add.delay(2, 3);
    const bad = await fail.delay('no good');
    await sum.get(patience);
    await bad.get({ ...patience, propagate: false }).catch(() => undefined);
    await until(async () => {
      await recorder.flush();
      await second.flush();
      return (await app.history.list('ended:*')).tasks.length === 2;
    }, 'both to have ended');
    expect(await app.history.get(sum.id)).toMatchObject({
      name: 'shop.add',
      state: 'SUCCESS',
      argsRepr: '(2, 3)',
      args: [2, 3],
      kwargs: {},
      priority: 0,
      queue: 'celery',
      worker: 'celery@here',
      result: '5',
      retries: 0,
      attempts: [{ state: 'SUCCESS' }],
      sentAt: expect.any(Number),
      waitMs: expect.any(Number),
    });
    expect(await app.history.get(bad.id)).toMatchObject({
      state: 'FAILURE',
      exception: "TypeError('no good')",
      retries: 1,
      attempts: [
        { state: 'RETRY', attempt: 1 },
        { state: 'FAILURE', attempt: 2 },
      ],
    });
    expect(await app.history.get('nobody')).toBeUndefined();
    expect(await app.history.counts()).toEqual({ FAILURE: 1, SUCCESS: 1 });
    expect(await app.history.countsBy('name', 'state:failure')).toEqual([['shop.fail', 1]]);
    await expect(app.history.list('state:failur')).rejects.toThrow('did you mean FAILURE?');
    await expect(app.history.list('', { limit: 0 })).rejects.toThrow("'limit'");
    expect(await app.history.status()).toMatchObject({
      tasks: 2,
      gaps: [],
      location: expect.stringMatching(/store\.history\.db$/),
      recordedUntil: expect.any(Number),
    });
  });

  it('finds tasks of ours by their arguments, group, chord, priority and stamps, also those that nobody told when they were sent', async () => {
    const app = await newApp('sqlite', { workerSendTaskEvents: true });
    const recorder = await recording(app);
    const mail = app.task('mail', (order: { readonly user: { readonly id: number } }) => order.user.id);
    const total = app.task('total', (all: number[]) => all.length);
    await startWorker(app);
    const result = await chord(
      group(
        [5, 6].map((id) =>
          mail
            .s({ user: { id } })
            .set({ priority: id })
            .stamp({ customer: `c${id}` }),
        ),
      ),
      total.s(),
    ).delay();
    await result.get(patience);
    await until(async () => {
      await recorder.flush();
      return (await app.history.list('ended:*')).tasks.length === 3;
    });
    const [member] = (await app.history.list('args.user.id:5')).tasks;
    expect(member).toMatchObject({
      name: 'mail',
      queue: 'celery',
      priority: 5,
      groupIndex: 0,
      chordId: result.id,
    });
    const found = async (query: string): Promise<string[]> =>
      (await app.history.list(query)).tasks.map(({ id }) => id);
    expect(await found(`group:${member?.groupId} name:mail`)).toHaveLength(2);
    expect(await found(`group:${member?.groupId} NOT args.user.id:6 NOT name:total`)).toEqual([member?.id]);
    expect(await found('priority:5')).toEqual([member?.id]);
    expect(await found('tag:customer=c5')).toEqual([member?.id]);
    expect(await found(`chord:${result.id}`)).toHaveLength(2);
  });

  it('keeps the lines and the progress of a task with it', async () => {
    const app = await newApp('sqlite', { workerSendTaskEvents: true });
    const recorder = await recording(app);
    const work = app.task('work', { bind: true, maxRetries: 1 }, async (task) => {
      await task.updateState('PROGRESS', { done: task.request.retries });
      task.log(`redis://:hunter2@there/0: attempt ${task.request.retries}`);
      if (task.request.retries === 0) throw task.retry(new Error('away'), { countdown: 0 });
    });
    await startWorker(app);
    const result = await work.delay();
    await result.get(patience);
    await until(async () => {
      await recorder.flush();
      return (await app.history.get(result.id))?.state === 'SUCCESS';
    });
    expect(await app.history.get(result.id)).toMatchObject({
      progress: [{ value: { done: 0 } }, { value: { done: 1 } }],
      log: [
        { level: 'info', message: 'redis://:**@there/0: attempt 0', worker: 'celery@here' },
        { message: 'redis://:**@there/0: attempt 1' },
      ],
      attempts: [{ state: 'RETRY' }, { state: 'SUCCESS' }],
    });
  });

  it('runs an ended task again: with what it had or other arguments, and the two name each other', async () => {
    const app = await newApp('sqlite', { workerSendTaskEvents: true, taskSendSentEvent: true });
    const recorder = await recording(app);
    const seen: unknown[] = [];
    const work = app.task('work', (at: Date | number, more: Readonly<Record<string, unknown>>) => {
      seen.push([at, more]);
    });
    await startWorker(app);
    const ended = (id: string): Promise<void> =>
      until(async () => {
        await recorder.flush();
        return typeof (await app.history.get(id))?.endedAt === 'number';
      }, `the end of ${id}`);
    const at = new Date('2026-11-22T03:12:00Z');
    const first = await work.applyAsync([at, { a: 1 }], { priority: 3 });
    await ended(first.id);
    const again = await app.history.retry(first.id);
    await ended(again.id);
    expect(seen).toEqual([
      [at, { a: 1 }],
      [at, { a: 1 }],
    ]);
    expect(await app.history.get(again.id)).toMatchObject({
      retryOf: first.id,
      priority: 3,
      queue: 'celery',
    });
    const other = await app.history.retry(first.id, { args: [0, { a: 2 }] });
    await ended(other.id);
    expect(seen.at(-1)).toEqual([0, { a: 2 }]);
    const record = await app.history.get(first.id);
    expect(record).toMatchObject({ state: 'SUCCESS', attempts: [{ state: 'SUCCESS' }] });
    expect(record?.retriedAs).toEqual([again.id, other.id]);
    const refusal = async (...args: Parameters<typeof work.delay>): Promise<string> => {
      const sent = await work.delay(...args);
      await ended(sent.id);
      return app.history.retry(sent.id).then(
        () => expect.fail('it was sent'),
        (error: unknown) => String(error),
      );
    };
    expect(await refusal(1, { password: 'p4ss' })).toContain('its args held a secret');
    expect(await refusal(1, { url: 'redis://:p4ss@there/0' })).toContain('held a secret');
    expect(await refusal(1, { url: 'https://there/?token=p4ss' })).toContain('held a secret');
    expect(await refusal(1, { long: 'x'.repeat(5_000) })).toContain('its args are not known whole');
    await expect(app.history.retry('nobody')).rejects.toMatchObject({ code: 'UMBEL_NOT_RETRIABLE' });
    const future = await work.applyAsync([1, {}], { countdown: 3600 });
    await until(async () => {
      await recorder.flush();
      return (await app.history.get(future.id)) !== undefined;
    });
    await expect(app.history.retry(future.id)).rejects.toThrow('it has not ended');
  });

  it('writes no secret, and nothing that its hook leaves out', async () => {
    const app = await newApp('sqlite', { workerSendTaskEvents: true });
    const log = new MemoryLog();
    const recorder = await recording(app, {
      logger: log,
      redact: ['iban'],
      redactHook: (facts) => {
        if (facts.name === 'odd') throw new TypeError('the hook has a fault');
        return facts.name === 'private' ? null : facts;
      },
    });
    const tasks = ['pay', 'private', 'odd'].map((name) =>
      app.task(name, (input: Readonly<Record<string, string>>) => Object.keys(input).length),
    );
    await startWorker(app);
    for (const task of tasks) {
      const result = await task.delay({ password: 'p4ss', iban: 'DE02', to: 'Ann' });
      await result.get(patience);
    }
    await until(async () => {
      await recorder.flush();
      return (await app.history.list('name:pay ended:*')).tasks.length === 1;
    });
    const [paid] = (await app.history.list('name:pay')).tasks;
    expect(paid?.argsRepr).toBe("({'password': '********', 'iban': '********', 'to': 'Ann'},)");
    expect(await app.history.counts()).toEqual({ SUCCESS: 1 });
    expect(JSON.stringify(log.lines)).toContain('the hook has a fault');
  });

  it('forgets what is older than it is told to keep', async () => {
    const app = await newApp('sqlite');
    const add = app.task('shop.add', (a: number) => a);
    const first = await recording(app);
    await startWorker(app, { taskEvents: true });
    await (await add.delay(1)).get(patience);
    await until(async () => (await app.history.counts()).SUCCESS === 1);
    await first.stop();
    await recording(app, { keepFor: '1ms' });
    await until(async () => (await app.history.status()).tasks === 0, 'the task to be forgotten');
    expect(() => new Recorder(app, { keepFor: 'soon' as '1d' })).toThrow("'keepFor'");
  });
});

it('hides in arguments as JSON, in progress and in errors what is named like a secret', () => {
  const told = readTaskEvent({
    type: 'task-failed',
    hostname: 'w',
    timestamp: 1,
    utcoffset: 0,
    pid: 1,
    clock: 1,
    uuid: 'id',
    exception: "ValueError('redis://:secret@host/0')",
    umbel: {
      args: [{ apiKey: 1, api_key: 'x', deep: [{ token: 't', url: 'amqp://u:p@h' }] }],
      kwargs: { iban: 1 },
    },
  });
  const facts = told && redactFacts(told, new Set(['iban']));
  expect(facts).toMatchObject({
    args: '[{"apiKey":"********","api_key":"********","deep":[{"token":"********","url":"amqp://u:**@h"}]}]',
    kwargs: '{"iban":"********"}',
    marks: [{ exception: "ValueError('redis://:**@host/0')" }],
  });
});

it('a gap is a time in which no recorder listened', () => {
  const spans = [
    { from: 0, until: 10 },
    { from: 5, until: 20 },
    { from: 12, until: 13 },
    { from: 20.5, until: 30 },
    { from: 50, until: 60 },
  ];
  expect(gapsBetween(spans, 1)).toEqual([{ from: 30, until: 50 }]);
  expect(gapsBetween([], 1)).toEqual([]);
});

it('the history of a closed application is not opened again: nobody would close it', async () => {
  const app = await newApp('sqlite');
  const recorder = await recording(app);
  await recorder.stop();
  expect((await app.history.list()).tasks).toEqual([]);
  await app.close();
  await expect(app.history.list()).rejects.toThrow(/is closed/);
});
