import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { Control } from '../../src/control/control.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { deferred } from '../../src/lib/deferred.ts';
import type { WireEvent } from '../../src/protocol/event.ts';
import type { Json } from '../../src/protocol/message.ts';
import { patience, until } from '../until.ts';
import { newApp, recordIn, startWorker } from '../worker/bench.ts';
import { askedUntil } from './asking.ts';

const stores = ['memory', 'sqlite'] as const;
const whom = { destination: ['celery@here'], ...patience };

describe.each(stores)('remote control on %s', (kind) => {
  async function setUp(
    options: Parameters<typeof startWorker>[1] = {},
    settings: AppOptions = {},
  ): Promise<{
    app: App;
    control: Control;
    ask: (method: string, args?: Record<string, unknown>) => Promise<unknown>;
    log: Awaited<ReturnType<typeof startWorker>>['log'];
    worker: Awaited<ReturnType<typeof startWorker>>['worker'];
  }> {
    const app = await newApp(kind, settings);
    const { worker, log } = await startWorker(app, options);
    const control = new Control(app);
    const ask = async (method: string, args: Record<string, unknown> = {}): Promise<unknown> =>
      (await control.ask(method, args, whom)).replies.get('celery@here');
    return { app, control, ask, log, worker };
  }

  it('a worker answers a ping at once when it is asked by name', async () => {
    const { control } = await setUp();
    // Who waited for all would wait for an hour.
    const { replies } = await control.ping({ ...whom, timeout: 3600 });
    expect(replies.get('celery@here')).toEqual({ ok: 'pong' });
  });

  it('says who did not answer: who lives and is silent, and who was named and is not there', async () => {
    const { app, control } = await setUp();
    const broker = await app.broker();
    await using _deaf = await broker.consume({ queues: ['other'], name: 'deaf@here', leaseMs: 15_000 });
    const all = await askedUntil(
      (timeout) => control.ping({ timeout }),
      ({ replies }) => replies.size > 0,
      0.1,
    );
    expect([...all.replies.keys()]).toEqual(['celery@here']);
    expect(all.silent).toEqual(['deaf@here']);
    const named = await askedUntil(
      (timeout) => control.ping({ destination: ['celery@here', 'nobody@here'], timeout }),
      ({ replies }) => replies.size > 0,
      0.1,
    );
    expect(named.silent).toEqual(['nobody@here']);
  });

  it('a pattern chooses among workers', async () => {
    const { app, control } = await setUp();
    await startWorker(app, { name: 'mail@there' });
    const asked = await askedUntil(
      (timeout) => control.ping({ pattern: '*@there', timeout }),
      ({ replies }) => replies.size > 0,
      0.1,
    );
    expect([...asked.replies.keys()]).toEqual(['mail@there']);
    const regex = await askedUntil(
      (timeout) => control.ping({ pattern: 'cel.*', matcher: 'pcre', timeout }),
      ({ replies }) => replies.size > 0,
      0.1,
    );
    expect([...regex.replies.keys()]).toEqual(['celery@here']);
  });

  it('in an election this worker stands behind all others, and then says that it has heard of it', async () => {
    const { app, control, worker } = await setUp();
    const heard: WireEvent[] = [];
    await captureEvents(app, (event) => heard.push(event));
    const action = { task: 'add', args: [1, 2] };
    await control.tell('election', { id: 'who', topic: 'task', action });
    const ofElection = (): WireEvent[] => heard.filter(({ type }) => type.startsWith('worker-elect'));
    await until(() => ofElection().length === 2);
    expect(ofElection()).toMatchObject([
      { type: 'worker-elect', id: 'who', topic: 'task', action, cver: 1, hostname: 'celery@here' },
      { type: 'worker-elect-ack', id: 'who', hostname: 'celery@here' },
    ]);
    expect(Number(ofElection()[0]?.clock)).toBeGreaterThan(2 ** 32);
    // Nothing that is no id ends a worker.
    for (const id of [null, 7, {}, []]) await control.tell('election', { id });
    expect((await control.ping({ destination: [worker.name], ...patience })).replies.size).toBe(1);
  });

  it('a worker that has stopped says nothing more of an election: who heard of it would take it for one that lives', async () => {
    const { app, control, worker } = await setUp();
    const heard: WireEvent[] = [];
    await captureEvents(app, (event) => heard.push(event));
    await control.tell('election', { id: 'who', topic: 'task', action: { task: 'add', args: [1, 2] } });
    await until(() => heard.some(({ type }) => type === 'worker-elect'));
    await worker.stop();
    await sleep(750); // it acknowledges half a second after it has stood
    expect(heard.at(-1)).toMatchObject({ type: 'worker-offline', hostname: 'celery@here' });
  });

  it('a running task is active, with its arguments and since when', async () => {
    const { app, ask } = await setUp();
    const gate = deferred<void>();
    const wait = app.task('wait', async (_: string) => gate.promise);
    const sentAt = Date.now();
    const sent = await wait.delay('a');
    await until(async () => ((await ask('active')) as unknown[]).length === 1);
    expect(await ask('active')).toEqual([
      {
        id: sent.id,
        name: 'wait',
        type: 'wait',
        args: ['a'],
        kwargs: {},
        hostname: 'celery@here',
        time_start: expect.any(Number),
        acknowledged: false,
        delivery_info: { exchange: '', routing_key: 'celery', priority: 0, redelivered: false },
        worker_pid: process.pid,
      },
    ]);
    const [running] = (await ask('active')) as { time_start: number }[]; // as above
    expect(running?.time_start).toBeGreaterThanOrEqual(sentAt / 1000);
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(running?.time_start ?? Number.POSITIVE_INFINITY);
    expect(await ask('active', { safe: true })).toMatchObject([{ args: "('a',)", kwargs: '{}' }]);
    expect(await ask('query_task', { ids: [sent.id] })).toMatchObject({
      [sent.id]: ['active', { id: sent.id }],
    });
    gate.resolve();
    await sent.get(patience);
    expect(await ask('active')).toEqual([]);
    expect(await ask('stats')).toMatchObject({ total: { wait: 1 }, pid: process.pid, prefetch_count: 8 });
  });

  it('shows the next hundred tasks of its queues that wait for their time', async () => {
    const { app, ask } = await setUp({ queues: ['celery', 'mail'] });
    const hour = Date.now() + 3_600_000;
    const etaOf = (n: number): Date => new Date(hour + n * 1000);
    const sent = await Promise.all(
      [1, 0, ...Array.from({ length: 110 }, (_, n) => n + 2)].map((n) =>
        app.send('later', [n], { eta: etaOf(n), queue: n % 2 === 0 ? 'celery' : 'mail' }),
      ),
    );
    await app.send('later', [-1], { eta: new Date(hour - 1000), queue: 'not-served' });
    const shown = (await ask('scheduled')) as readonly Json[];
    expect(shown).toHaveLength(100);
    expect(shown.slice(0, 2)).toMatchObject([
      { eta: etaOf(0).toISOString().replace('Z', '000+00:00'), priority: 0 },
      { eta: etaOf(1).toISOString().replace('Z', '000+00:00'), priority: 0 },
    ]);
    expect(shown[0]?.request).toMatchObject({
      id: sent[1]?.id,
      name: 'later',
      args: [0],
      kwargs: {},
      type: 'later',
      hostname: 'celery@here',
      time_start: null,
      worker_pid: null,
      delivery_info: { routing_key: 'celery', redelivered: false },
    });
  });

  it('what is revoked is not run, also by a worker that was not there', async () => {
    const app = await newApp(kind);
    let ran = 0;
    const count = app.task('count', () => ++ran);
    const sent = await count.delay();
    const control = new Control(app);
    expect((await control.revoke(sent.id, { timeout: 0.05 })).replies.size).toBe(0);
    const { log } = await startWorker(app);
    const record = await recordIn(app, sent.id, 'REVOKED');
    expect(record.result).toMatchObject({ exc_type: 'TaskRevokedError', exc_message: ['revoked'] });
    expect(ran).toBe(0);
    await until(() => log.texts('info').some((text) => text.endsWith('was revoked: not run')));
    await expect(sent.get(patience)).rejects.toThrow(/revoked/);
  });

  it('a revoked task that waits ends as REVOKED when its turn comes', async () => {
    const { app, ask } = await setUp({ concurrency: 1 });
    const gate = deferred<void>();
    const wait = app.task('wait', async () => gate.promise);
    const first = await wait.delay();
    const second = await wait.delay();
    await until(async () => ((await ask('active')) as unknown[]).length === 1);
    expect(await ask('revoke', { task_id: second.id })).toEqual({
      ok: `tasks {'${second.id}'} flagged as revoked`,
    });
    expect(await ask('revoked')).toEqual([second.id]);
    gate.resolve();
    await first.get(patience);
    await recordIn(app, second.id, 'REVOKED');
  });

  it('terminate ends what runs', async () => {
    const { app, control } = await setUp();
    const stopped = deferred<unknown>();
    const wait = app.task('wait', { bind: true }, async (task) => {
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      stopped.resolve(task.signal.reason);
    });
    const sent = await wait.delay();
    await until(async () => (await control.inspect(whom).active()).replies.get('celery@here')?.length === 1);
    const { replies } = await control.revoke(sent.id, { ...whom, terminate: true });
    expect(replies.get('celery@here')).toEqual({ ok: `terminate: ${sent.id}` });
    expect(String(await stopped.promise)).toMatch(/terminated/);
    const record = await recordIn(app, sent.id, 'REVOKED');
    expect(record.result).toMatchObject({ exc_message: ['terminated'] });
  });

  it('stamped tasks are revoked by a stamp', async () => {
    const app = await newApp(kind);
    const count = app.task('count', () => 1);
    const control = new Control(app);
    await control.revokeByStamps({ customer: ['7'] }, { timeout: 0.05 });
    const stamped = await count.s().stamp({ customer: '7' }).delay();
    const other = await count.s().stamp({ customer: '8' }).delay();
    await startWorker(app);
    expect(await other.get(patience)).toBe(1);
    await recordIn(app, stamped.id, 'REVOKED');
  });

  it('a worker serves other queues when it is told to, and finishes what it had', async () => {
    const { app, ask, worker } = await setUp();
    const echo = app.task('echo', (word: string) => word);
    const gate = deferred<void>();
    const wait = app.task('wait', async () => gate.promise);
    const held = await wait.delay();
    await until(async () => ((await ask('active')) as unknown[]).length === 1);
    const slow = await echo.applyAsync(['slow'], { queue: 'slow' });
    expect(await ask('add_consumer', { queue: 'slow' })).toEqual({ ok: 'add consumer slow' });
    expect(await slow.get(patience)).toBe('slow');
    expect(await ask('cancel_consumer', { queue: 'celery' })).toEqual({
      ok: 'no longer consuming from celery',
    });
    const left = await echo.delay('left');
    expect(await ask('active_queues')).toMatchObject([
      { name: 'slow', exchange: { name: 'slow', type: 'direct' }, routing_key: 'slow' },
    ]);
    gate.resolve();
    await held.get(patience);
    expect(await (await echo.applyAsync(['more'], { queue: 'slow' })).get(patience)).toBe('more');
    expect(await left.ready()).toBe(false);
    expect(await ask('add_consumer', { queue: 'celery' })).toEqual({ ok: 'add consumer celery' });
    expect(await left.get(patience)).toBe('left');
    await worker.stop();
  });

  it('add_consumer with an exchange that the queue is not bound to is refused: what is sent there would not come', async () => {
    const taskQueues = { news: { exchange: 'wires', exchangeType: 'topic', routingKey: 'eu.*' } } as const;
    const { ask } = await setUp({}, { taskQueues: { celery: {}, ...taskQueues } });
    await ask('cancel_consumer', { queue: 'news' });
    for (const [queue, exchange, type, key] of [
      ['slow', 'ex3', 'direct', 'rk3'],
      ['slow', null, 'direct', 'rk3'],
      ['slow', null, 'topic', null],
      ['news', 'wires', 'topic', 'us.*'],
      ['news', 'wires', 'direct', 'eu.*'],
    ])
      expect(await ask('add_consumer', { queue, exchange, exchange_type: type, routing_key: key })).toEqual({
        error: expect.stringContaining('declare that in taskQueues'),
      });
    const usual = { queue: 'slow', exchange: null, exchange_type: 'direct', routing_key: null };
    expect(await ask('add_consumer', usual)).toEqual({ ok: 'add consumer slow' });
    const declared = { queue: 'news', exchange: 'wires', exchange_type: 'topic', routing_key: 'eu.*' };
    expect(await ask('add_consumer', declared)).toEqual({ ok: 'add consumer news' });
  });

  it('the pool grows and shrinks', async () => {
    const { ask, worker } = await setUp({ concurrency: 2 });
    expect(await ask('pool_grow', { n: 3 })).toEqual({ ok: 'pool will grow' });
    expect(worker.concurrency).toBe(5);
    expect(await ask('pool_shrink', { n: 4 })).toEqual({ ok: 'pool will shrink' });
    expect(worker.concurrency).toBe(1);
    expect(await ask('pool_shrink', { n: 1 })).toMatchObject({ error: expect.stringMatching(/^ValueError/) });
    expect(await ask('autoscale', { max: 3, min: 1 })).toEqual({
      error: "ValueError('Autoscale not enabled')",
    });
    expect(await ask('pool_restart')).toEqual({ error: "ValueError('Pool restarts not enabled')" });
  });

  it('the bounds of autoscaling can be changed', async () => {
    const { ask, worker } = await setUp({ autoscale: { max: 4, min: 2 } });
    expect(await ask('autoscale', { max: 8, min: 3 })).toEqual({ ok: 'autoscale now max=8 min=3' });
    expect(worker.concurrency).toBe(3);
    expect(await ask('pool_grow')).toMatchObject({ error: expect.stringMatching(/autoscale/) });
    expect(await ask('stats')).toMatchObject({ autoscaler: { max: 8, min: 3, current: 3 } });
  });

  it('time limits can be changed while it runs', async () => {
    const { app, ask } = await setUp();
    const wait = app.task('wait', async () => new Promise(() => undefined));
    expect(await ask('time_limit', { task_name: 'nothing' })).toEqual({ error: 'unknown task' });
    expect(await ask('time_limit', { task_name: 'wait', hard: 0.05 })).toEqual({
      ok: 'time limits set successfully',
    });
    await expect((await wait.delay()).get(patience)).rejects.toThrow(/limit/i);
  });

  it('rate limits can be changed while it runs', async () => {
    const { app, ask } = await setUp();
    app.task('mail', () => 1);
    const set = async (rate: unknown): Promise<unknown> =>
      ask('rate_limit', { task_name: 'mail', rate_limit: rate });
    for (const rate of ['3/s', '100/m', '7/h', '0.5/h']) {
      expect(await set(rate)).toEqual({ ok: 'new rate limit set successfully' });
      expect(await ask('registered')).toEqual([`mail [rate_limit=${rate}]`]);
    }
    expect(await set('0')).toEqual({ ok: 'rate limit disabled successfully' });
    expect(await ask('registered')).toEqual(['mail']);
    expect(await set('often')).toMatchObject({ error: expect.stringMatching(/^Invalid rate limit string/) });
    expect(await ask('rate_limit', { task_name: 'no', rate_limit: 1 })).toEqual({ error: 'unknown task' });
  });

  it('limits of all workers together can be changed for all of them, and hold for later ones', async () => {
    const { app, control, ask } = await setUp();
    const gate = deferred<void>();
    const begun: number[] = [];
    app.task('held', { concurrency: 1 }, (n: number) => {
      begun.push(n);
      return gate.promise;
    });
    app.task('sms', { rateLimit: { limit: '1/h' } }, () => 'sent');
    const raised = await control.concurrencyLimit('held', 2, whom);
    expect(raised.replies.get('celery@here')).toEqual({ ok: 'new concurrency limit set successfully' });
    const held = await Promise.all([1, 2, 3].map((n) => app.send('held', [n])));
    await until(() => begun.length === 2);
    expect(await ask('concurrency_limit', { task_name: 'sms', limit: 2 })).toMatchObject({
      error: expect.stringContaining('no limit of that kind'),
    });
    expect(await ask('rate_limit', { task_name: 'sms', rate_limit: '0' })).toMatchObject({
      ok: expect.stringContaining('disabled'),
    });
    for (let n = 0; n < 3; n++) expect(await (await app.send('sms')).get(patience)).toBe('sent');
    gate.resolve();
    for (const result of held) await result.get(patience);
  });

  it('shutdown ends a worker warmly, and nobody waits for its answer', async () => {
    const { app, control, worker, log } = await setUp();
    const gate = deferred<void>();
    const wait = app.task('wait', async () => gate.promise);
    const held = await wait.delay();
    await until(async () => (await control.inspect(whom).active()).replies.get('celery@here')?.length === 1);
    await control.shutdown();
    await until(() => log.texts('warn').includes('asked to shut down'));
    gate.resolve();
    await held.get(patience);
    await worker.stop();
    expect(log.texts('info').at(-1)).toBe('celery@here stopped');
  });

  it('commands of your own are answered like the others', async () => {
    const { app, ask, control } = await setUp();
    app.command('greet', ({ name }, worker) => `hello ${String(name)}, this is ${worker}`);
    app.command('fail', () => {
      throw new RangeError('too far');
    });
    expect(await ask('greet', { name: 'you' })).toBe('hello you, this is celery@here');
    expect(await ask('fail')).toEqual({ error: "RangeError('too far')" });
    expect((await control.inspect(whom).custom<string>('greet', { name: 'x' })).replies.size).toBe(1);
    expect(await ask('nosuch')).toEqual({ error: "KeyError('nosuch')" });
  });

  it('settings are shown in spelling of Celery, and secrets are not', async () => {
    const app = new App('shop', {
      broker: `memory://${crypto.randomUUID()}`,
      backend: 'redis://user:geheim@127.0.0.1:1/0',
      taskDefaultQueue: 'mine',
      workerEnableRemoteControl: true,
    });
    const { settingsOf } = await import('../../src/worker/commands/describe.ts');
    const shown = settingsOf(app, false);
    expect(shown).toMatchObject({
      task_default_queue: 'mine',
      result_backend: 'redis://user:**@127.0.0.1:1/0',
    });
    expect(shown).not.toHaveProperty('worker_concurrency');
    expect(settingsOf(app, true)).toHaveProperty('worker_concurrency', 8);
    await app.close();
  });

  it('task events are switched on and off while it runs', async () => {
    const { app, ask } = await setUp();
    const one = app.task('one', () => 1);
    const heard: WireEvent[] = [];
    await captureEvents(app, (event) => heard.push(event));
    await (await one.delay()).get(patience);
    expect(await ask('enable_events')).toEqual({ ok: 'task events enabled' });
    expect(await ask('enable_events')).toEqual({ ok: 'task events already enabled' });
    const sent = await one.delay();
    await sent.get(patience);
    await until(() => heard.some(({ type }) => type === 'task-succeeded'));
    expect(await ask('disable_events')).toEqual({ ok: 'task events disabled' });
    const about = heard.filter(({ type }) => type.startsWith('task-'));
    expect(about.map(({ type }) => type)).toEqual(['task-received', 'task-started', 'task-succeeded']);
    expect(new Set(about.map(({ uuid }) => uuid))).toEqual(new Set([sent.id]));
  });
});
