import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { Control } from '../../src/control/control.ts';
import { FlowerMetrics } from '../../src/dashboard/server/flower/metrics.ts';
import { searchQuery } from '../../src/dashboard/server/flower/search.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { parseQuery } from '../../src/history/parse-query.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { eventsMessage } from '../../src/protocol/event.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { type Ask, form, newDashboard, told } from './bench.ts';

const worker = 'celery@here';

async function newShop(): Promise<{ app: App; ask: Ask }> {
  const app = await newApp('sqlite', { taskSendSentEvent: true });
  app.task('shop.add', { softTimeLimit: 20, timeLimit: 30 }, (a: number, b: number) => a + b);
  app.task('shop.fail', (why: string) => {
    throw new TypeError(why);
  });
  return { app, ask: newDashboard(app) };
}

/** A shop with a worker of which the dashboard has heard. */
async function openShop(): Promise<{ app: App; ask: Ask }> {
  const shop = await newShop();
  await startWorker(shop.app, { taskEvents: true });
  await until(async () => {
    const { body } = await shop.ask('/api/workers?status=1');
    return JSON.stringify(body) === JSON.stringify({ [worker]: true });
  }, 'the worker to be heard');
  return shop;
}

const records = (body: unknown): Readonly<Record<string, Readonly<Record<string, unknown>>>> =>
  body as Readonly<Record<string, Readonly<Record<string, unknown>>>>; // of the API's own

describe('tasks', () => {
  const keys =
    'uuid name state received sent started rejected succeeded failed retried revoked args kwargs eta expires retries worker result exception timestamp runtime traceback exchange routing_key clock client root root_id parent parent_id children';

  it('are sent, told of and listed in the shapes of Flower', async () => {
    const { ask } = await openShop();
    // As `curl -d` sends it.
    const sent = await ask('/api/task/async-apply/shop.add', form('{"args": [2, 3]}'));
    expect(sent.status).toBe(200);
    expect(Object.keys(sent.body as object)).toEqual(['task-id', 'state']);
    const { 'task-id': id } = sent.body as { 'task-id': string };
    const result = await ask(`/api/task/result/${id}?timeout=${patience.timeout}`);
    expect(result.body).toEqual({ 'task-id': id, state: 'SUCCESS', result: 5 });
    await until(
      async () => records({ it: (await ask(`/api/task/info/${id}`)).body }).it?.state === 'SUCCESS',
      'the event of its end',
    );
    const info = await ask(`/api/task/info/${id}`);
    expect(Object.keys(info.body as object).join(' ')).toBe(keys);
    expect(info.body).toMatchObject({
      uuid: id,
      name: 'shop.add',
      args: '(2, 3)',
      kwargs: '{}',
      result: '5',
      worker,
      routing_key: 'celery',
      root: id,
      root_id: id,
      retries: 0,
      eta: null,
      children: [],
      sent: expect.any(Number),
      runtime: expect.any(Number),
    });
    const list = await ask('/api/tasks?limit=10&state=SUCCESS&taskname=shop.add&sort_by=-started');
    expect(Object.keys(list.body as object)).toEqual([id]);
    expect(Object.keys(records(list.body)[id] ?? {}).join(' ')).toBe(`${keys.replace(' worker', '')} worker`);
    expect((await ask('/api/task/types')).body).toEqual({ 'task-types': ['shop.add'] });
  });

  it('tell how they failed', async () => {
    const { ask } = await openShop();
    const failed = await ask('/api/task/apply/shop.fail', form('{"args": ["no good"]}'));
    expect(Object.keys(failed.body as object)).toEqual(['task-id', 'result', 'traceback', 'state']);
    expect(failed.body).toMatchObject({ result: "TypeError('no good')", state: 'FAILURE' });
    const summed = await ask('/api/task/apply/shop.add', { method: 'POST', body: '{"args": [4, 4]}' });
    expect(Object.keys(summed.body as object)).toEqual(['task-id', 'result', 'state']);
    expect(summed.body).toMatchObject({ result: 8, state: 'SUCCESS' });
  });

  it('are found by Flower’s filters, page by page', async () => {
    const { ask } = await newShop();
    const ids: string[] = [];
    for (const word of ['tea', 'coffee', 'cocoa']) {
      const { body } = await ask('/api/task/send-task/py.brew', form(JSON.stringify({ args: [word] })));
      ids.push((body as { 'task-id': string })['task-id']);
    }
    const found = async (query: string): Promise<readonly string[]> =>
      Object.keys((await ask(`/api/tasks?${query}`)).body as object);
    await until(async () => (await found('')).length === 3, 'all three to be told');
    expect(await found('limit=2&offset=1&sort_by=name')).toHaveLength(2);
    expect(await found('limit=2&offset=2')).toHaveLength(1);
    expect(await found('offset=3')).toEqual([]);
    expect(await found('search=coffee')).toEqual([ids[1]]);
    expect(await found('search=name:brew')).toHaveLength(3);
    expect(await found('search=(tea OR cocoa) name:py')).toHaveLength(2);
    expect(await found('state=PENDING&workername=All')).toHaveLength(3);
    expect(await found('received_start=2020-01-01 00:00')).toEqual([]);
    expect((await ask('/api/task/result/unknown')).body).toEqual({ 'task-id': 'unknown', state: 'PENDING' });
  });

  it('cannot be asked for by what makes no sense: each fault is named, and none is the server’s', async () => {
    const { ask } = await newShop();
    for (const [path, status, said] of [
      ['/api/tasks?sort_by=uuid', 400, /sort_by/],
      ['/api/tasks?limit=many', 400, /Invalid argument 'limit' of type 'int'/],
      ['/api/tasks?limit=-1', 422, /'limit' must be a whole number/],
      ['/api/tasks?received_start=yesterday', 400, /received_start/],
      ['/api/tasks?search=(tea', 400, /"error":"the bracket/],
      ['/api/tasks?state=DONE', 400, /"error":"there is no state 'DONE'/],
      ['/api/task/info/nobody', 404, /Unknown task 'nobody'/],
      ['/api/task/result/nobody?timeout=soon', 400, /Invalid argument 'timeout' of type 'float'/],
      [`/api/task/info/${'x'.repeat(600)}`, 422, /1 to 512 characters/],
      ['/api/nothing', 404, /nothing is at/],
      ['/api/task/info/', 404, /nothing is at/],
      ['/api/task/revoke/some', 405, /does not support GET, only POST/],
    ] as const) {
      const answer = await ask(path);
      expect([path, answer.status, answer.text]).toEqual([path, status, expect.stringMatching(said)]);
    }
    const problem = await ask('/api/task/info/nobody', { headers: { accept: 'application/problem+json' } });
    expect(problem.body).toMatchObject({ status: 404, detail: "Unknown task 'nobody'" });
    expect((await ask('/api/task/info/nobody', { method: 'HEAD' })).status).toBe(404);
  });

  it('are not sent when the call makes no sense', async () => {
    const { app, ask } = await newShop();
    for (const [path, body, status, said] of [
      ['async-apply/shop.add', '[2, 3]', 400, /must be an object/],
      ['async-apply/shop.add', '{"args": 2}', 400, /'args' must be a list/],
      ['async-apply/shop.add', '{"args": [1, 2], "eta": "soon"}', 400, /'eta' must be a time/],
      ['async-apply/shop.add', '{"args": [1, 2], "colour": 1}', 400, /'colour'/],
      ['async-apply/shop.add', '{"args": [1, 2], "priority": "x"}', 400, /priority/],
      ['async-apply/shop.add', '{', 400, /the body is/],
      ['send-task/shop.add', `{"args": ["${'x'.repeat(2 ** 20)}"]}`, 413, /larger than/],
    ] as const) {
      const answer = await ask(`/api/task/${path}`, form(body));
      expect([body.slice(0, 40), answer.status, answer.text]).toEqual([
        body.slice(0, 40),
        status,
        expect.stringMatching(said),
      ]);
    }
    expect((await ask('/api/task/async-apply/no.such', form('{}'))).status).toBe(404);
    expect((await (await app.broker()).size('celery')).ready).toBe(0);
    const later = '{"args": [1, 2], "eta": "2100-01-01 00:00:00.000000", "task_id": "mine"}';
    expect((await ask('/api/task/async-apply/shop.add', form(later))).body).toEqual({
      'task-id': 'mine',
      state: 'PENDING',
    });
    expect((await (await app.broker()).size('celery')).scheduled).toBe(1);
  });
});

describe('workers', () => {
  it('say what they are and what they do', async () => {
    const { ask } = await openShop();
    const { body } = await ask('/api/workers?refresh=1');
    const keys = 'stats active active_queues registered reserved scheduled revoked conf timestamp';
    expect(Object.keys(records(body)[worker] ?? {}).join(' ')).toBe(keys);
    expect(records(body)[worker]).toMatchObject({
      stats: { total: {}, pool: {} },
      active: [],
      active_queues: [{ name: 'celery' }],
      registered: expect.arrayContaining(['shop.add']),
    });
    expect((await ask(`/api/workers?workername=${worker}`)).body).toHaveProperty([worker, 'stats']);
    expect(await ask('/api/workers?workername=nobody')).toMatchObject({
      status: 404,
      text: "Unknown worker 'nobody'",
    });
    expect((await ask('/api/queues/length')).body).toEqual({
      active_queues: [{ name: 'celery', messages: 0, messages_scheduled: 0, messages_unacknowledged: 0 }],
    });
  });

  it('that do not reply are no error: the others are told, and what they told before', async () => {
    const { app, ask } = await openShop();
    const { fanout } = await app.broker();
    const exchange = { name: 'celeryev', type: 'topic', durable: true } as const;
    const heartbeat = {
      type: 'worker-heartbeat',
      hostname: 'silent@here',
      utcoffset: 0,
      pid: 1,
      clock: 1,
      freq: 60,
    };
    const text = JSON.stringify({ ...heartbeat, timestamp: Date.now() / 1000, active: 0, processed: 0 });
    const key = 'worker.heartbeat';
    await fanout.publish(exchange, key, eventsMessage(exchange.name, text, 'silent@here', key));
    const status = async (): Promise<unknown> => (await ask('/api/workers?status=1')).body;
    await until(async () => JSON.stringify(await status()).includes('silent@here'), 'its heartbeat');
    const both = await ask('/api/workers?refresh=1');
    expect([both.status, Object.keys(both.body as object)]).toEqual([200, [worker]]);
    expect(await ask('/api/workers?workername=silent@here')).toMatchObject({ status: 404 });
    // Nobody replies, as the questions do not leave: the request ends, with what is known.
    const askAnother = newDashboard(app);
    await askAnother('/api/workers?status=1');
    const release = deferred<void>();
    const publish = fanout.publish.bind(fanout);
    const held: typeof publish = async (...message) => {
      await release.promise;
      await publish(...message);
    };
    Object.assign(fanout, { publish: held });
    const [known, unknown] = await Promise.all([
      ask('/api/workers?refresh=1'),
      askAnother('/api/workers?refresh=1'),
    ]);
    release.resolve();
    expect([known.status, known.body]).toEqual([200, both.body]);
    expect([unknown.status, unknown.text]).toEqual([
      503,
      'Failed to update workers: the broker did not answer in time',
    ]);
  });

  it('do what they are told', async () => {
    const { app, ask } = await openShop();
    const to = (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> =>
      told(ask(`/api/worker/${path}/${worker}`, form(parameters)));
    expect(await to('pool/grow', { n: '2' })).toBe(`Growing '${worker}' worker's pool by 2`);
    expect(await to('pool/shrink')).toBe(`Shrinking '${worker}' worker's pool by 1`);
    expect(await to('queue/add-consumer', { queue: 'a&b' })).toContain('a&b');
    expect((await ask('/api/queues/length')).text).toContain('celery');
    expect(await to('queue/cancel-consumer', { queue: 'a&b' })).toBe('no longer consuming from a&b');
    const set = (path: string, parameters: Readonly<Record<string, string>>): Promise<unknown> =>
      told(ask(`/api/task/${path}/shop.add`, form({ workername: worker, ...parameters })));
    expect(await set('rate-limit', { ratelimit: '10/m' })).toBe('new rate limit set successfully');
    expect(await set('timeout', { soft: '5' })).toBe('time limits set successfully');
    // Only the limit that was given has changed.
    const { body } = await ask(`/api/workers?workername=${worker}`);
    expect(records(body)[worker]?.registered).toContain('shop.add [rate_limit=10/m]');
    await using control = new Control(app);
    const { replies } = await control
      .inspect({ destination: [worker] })
      .registered('soft_time_limit', 'time_limit');
    expect(replies.get(worker)).toContain('shop.add [soft_time_limit=5 time_limit=30]');
    expect(await told(ask('/api/task/revoke/some-id', form({ terminate: 'true' })))).toBe(
      "Revoked 'some-id'",
    );
    const refused = await ask(`/api/worker/pool/autoscale/${worker}`, form({ min: '1', max: '5' }));
    expect(refused).toMatchObject({ status: 403, text: expect.stringMatching(/^Failed to autoscale/) });
    expect(await to('shutdown')).toBe('Shutting down!');
    await until(
      async () => (await ask('/api/workers?status=1')).text === `{"${worker}":false}`,
      'the worker to go',
    );
  });

  it('are not reached by an order that makes no sense', async () => {
    const { app, ask } = await openShop();
    for (const [path, parameters, status, said] of [
      [`worker/queue/add-consumer/${worker}`, {}, 422, /'queue' is missing/],
      [`worker/queue/add-consumer/${worker}`, { queue: ' ' }, 422, /'queue' is missing/],
      [`worker/queue/add-consumer/${worker}`, { queue: 'a\nb' }, 422, /control characters/],
      [`worker/queue/cancel-consumer/${worker}`, {}, 422, /'queue' is missing/],
      [`worker/pool/grow/${worker}`, { n: 'NaN' }, 400, /Invalid argument 'n' of type 'int'/],
      [`worker/pool/grow/${worker}`, { n: '-3' }, 422, /from 1 to/],
      [`worker/pool/shrink/${worker}`, { n: '1e9' }, 400, /Invalid argument/],
      [`worker/pool/autoscale/${worker}`, { min: '1' }, 422, /'max' is missing/],
      [`worker/pool/autoscale/${worker}`, { min: '5', max: '1' }, 422, /above/],
      ['worker/shutdown/nobody', {}, 404, /Unknown worker 'nobody'/],
      ['task/rate-limit/shop.add', { ratelimit: '5' }, 422, /'workername' is missing/],
      ['task/rate-limit/shop.add', { workername: worker, ratelimit: 'NaN' }, 422, /must be a rate/],
      ['task/rate-limit/no.such', { workername: worker, ratelimit: '5' }, 404, /Unknown task/],
      ['task/timeout/shop.add', { workername: worker }, 422, /'soft' or 'hard' is missing/],
      ['task/timeout/shop.add', { workername: worker, soft: '60' }, 422, /above the hard limit/],
      ['task/revoke/some', { terminate: 'maybe' }, 400, /Invalid argument 'terminate' of type 'bool'/],
      ['task/revoke/some', { signal: 'SIGNAL' }, 422, /must be a signal's name/],
    ] as const) {
      const answer = await ask(`/api/${path}`, form(parameters));
      expect([path, parameters, answer.status, answer.text]).toEqual([
        path,
        parameters,
        status,
        expect.stringMatching(said),
      ]);
    }
    expect(await (await app.broker()).revocations.read()).toEqual([]);
  });
});

describe('metrics', () => {
  it('are Flower’s, by name and labels', async () => {
    const { ask } = await openShop();
    await ask('/api/task/apply/shop.add', form('{"args": [2, 3]}'));
    await ask('/api/task/apply/shop.fail', form('{"args": ["no good"]}'));
    const of = `worker="${worker}",task="shop.add"`;
    await expect
      .poll(async () => (await ask('/metrics')).text)
      .toContain(`flower_events_total{worker="${worker}",task="shop.fail",type="task-failed"} 1`);
    const { text, headers } = await ask('/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = text.split('\n');
    for (const line of [
      '# TYPE flower_events_total counter',
      `flower_events_total{${of},type="task-received"} 1`,
      `flower_events_total{${of},type="task-succeeded"} 1`,
      '# TYPE flower_task_runtime_seconds histogram',
      `flower_task_runtime_seconds_bucket{${of},le="+Inf"} 1`,
      `flower_task_runtime_seconds_count{${of}} 1`,
      '# TYPE flower_task_prefetch_time_seconds gauge',
      `flower_task_prefetch_time_seconds{${of}} 0`,
      '# TYPE flower_worker_prefetched_tasks gauge',
      `flower_worker_prefetched_tasks{${of}} 0`,
      '# TYPE flower_worker_online gauge',
      `flower_worker_online{worker="${worker}"} 1`,
      '# TYPE flower_worker_number_of_currently_executing_tasks gauge',
    ])
      expect(lines).toContain(line);
    expect(text.match(/^flower_.*_bucket\{/gm)).toHaveLength(15);
    for (const line of lines)
      expect(line).toMatch(
        /^(?:|# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)*\})? [\d.e+-]+)$/,
      );
    const table = (await ask('/workers?json=1')).body as { readonly data: readonly object[] };
    expect(table.data).toMatchObject([{ hostname: worker, status: true, 'task-succeeded': 1 }]);
  });

  it('tell of workers that died, and forget those that are long gone', () => {
    const cluster = new ClusterState();
    const counted = new FlowerMetrics(cluster, { buckets: [1], forgetAfter: 3_600 });
    const tell = (type: string, fields: object, ageMs: number): void => {
      const at = { timestamp: 1, utcoffset: 0, pid: 1, clock: 1 };
      const event = { type, hostname: 'w"1', ...at, ...fields };
      cluster.add(event, Date.now() - ageMs);
      counted.add(event);
    };
    tell('worker-heartbeat', { freq: 2 }, 60_000);
    tell('task-received', { uuid: 'a', name: 'x' }, 60_000);
    tell('task-revoked', { uuid: 'a' }, 60_000);
    expect(counted.text()).toContain('flower_worker_online{worker="w\\"1"} 0');
    expect(counted.text()).toContain('flower_worker_prefetched_tasks{worker="w\\"1",task="x"} 0');
    tell('worker-heartbeat', { freq: 2 }, 7_200_000);
    expect(counted.text()).not.toContain('w\\"1');
  });
});

it('Flower’s search is read as ours', () => {
  for (const [theirs, ours] of [
    ['tea', 'tea'],
    ['name:add state:SUCCESS', 'name:*add* state:SUCCESS'],
    ['worker:here', 'worker:*here*'],
    ['"name:add"', '"name:add"'],
    ['(name:"a.b" OR args:tea)', '(name:*a.b* OR args:tea)'],
    ['kwargs:size=3', "(kwargs.size:3 OR kwargs:\"'size': 3\" OR kwargs:\"'size': '3'\")"],
  ] as const) {
    expect(searchQuery(theirs)).toBe(ours);
    expect(parseQuery(searchQuery(theirs))).not.toBeNull();
  }
});
