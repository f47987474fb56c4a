import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { chain } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import type { TaskHistory } from '../../src/app/task-history.ts';
import { createDashboard, type DashboardOptions } from '../../src/dashboard/server/dashboard.ts';
import { RecentActivity } from '../../src/dashboard/server/pages/activity.ts';
import type { DeadLetterPage } from '../../src/dashboard/server/pages/dead-letters.ts';
import type { DoctorReport } from '../../src/dashboard/server/pages/doctor.ts';
import { groupsOf } from '../../src/dashboard/server/pages/failures.ts';
import type { HeldList } from '../../src/dashboard/server/pages/held.ts';
import { type LiveDelta, LiveFeed } from '../../src/dashboard/server/pages/live-feed.ts';
import type { Overview } from '../../src/dashboard/server/pages/overview.ts';
import type { QueueLine, QueueOverview, WaitingList } from '../../src/dashboard/server/pages/queues.ts';
import type { TaskPage, WorkflowPage } from '../../src/dashboard/server/pages/tasks.ts';
import type { WorkerDetail } from '../../src/dashboard/server/pages/worker-details.ts';
import { type ControlOutcome, rightFor } from '../../src/dashboard/server/pages/workers.ts';
import { layoutOf } from '../../src/dashboard/web/pages/workflow-layout.ts';
import { readPython, readWholePython } from '../../src/dashboard/web/ui/python-literal.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { every } from '../../src/schedules/every.ts';
import { patience, until, within } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';

interface Asking {
  get<Value>(path: string): Promise<Value>;
  post<Value>(path: string, body?: unknown): Promise<Value>;
  status(path: string, body?: unknown): Promise<number>;
}

/** A dashboard that hears the application's events, and how it is asked. */
function dashboardOf(app: App, options: DashboardOptions = {}): Asking {
  const dashboard = createDashboard(app, { insecure: true, ...options });
  onTestFinished(() => dashboard.close());
  const ask = (path: string, body?: unknown): Promise<Response> =>
    dashboard.fetch(
      new Request(`http://localhost/api/v1${path}`, {
        ...(body !== undefined && {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      }),
    );
  const read = async <Value>(asking: Promise<Response>): Promise<Value> => {
    const response = await asking;
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as Value; // what the route's type says
  };
  return {
    get: (path) => read(ask(path)),
    post: (path, body = {}) => read(ask(path, body)),
    status: async (path, body) => {
      const response = await ask(path, body);
      await response.body?.cancel();
      return response.status;
    },
  };
}

describe('what the pages ask for', () => {
  it('tasks, one of them, failures in groups, a workflow, and the last hour', async () => {
    const app = await newApp('sqlite', { taskSendSentEvent: true });
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    const fail = app.task('shop.fail', (what: string) => {
      throw new TypeError(`no ${what}`);
    });
    const later = app.task('shop.later', { bind: true }, (task) => {
      throw task.retry(new Error('away'), { countdown: 60 });
    });
    const { get, post, status } = dashboardOf(app);
    await startWorker(app, { taskEvents: true });
    await until(async () => (await app.history.status()).recordedUntil !== null, 'a recorder to listen');
    const flow = await chain(add.s(1, 2), add.s(4)).delay();
    await flow.get(patience);
    for (const what of ['shoes', 'hats']) {
      const bad = await fail.delay(what);
      await bad.get({ ...patience, propagate: false }).catch(() => undefined);
    }
    await until(
      async () => (await app.history.list('ended:*')).tasks.length === 4,
      'all to be in the history',
    );

    const counts = await get('/tasks/counts');
    expect(counts).toEqual({ FAILURE: 2, SUCCESS: 2 });
    const page = await get<{ tasks: { id: string; name: string; call: string }[]; next: string }>(
      '/tasks?query=state:failure&limit=1',
    );
    expect(page.tasks).toMatchObject([{ name: 'shop.fail', call: '"hats"' }]);
    const second = await get<{ tasks: unknown[]; next: string | null }>(
      `/tasks?query=state:failure&limit=1&after=${encodeURIComponent(page.next)}`,
    );
    expect(second).toMatchObject({ tasks: [{ call: '"shoes"' }], next: null });
    expect(await get('/tasks/names')).toEqual({ names: expect.arrayContaining(['shop.add', 'shop.fail']) });

    const root = flow.rootId ?? '';
    const first = await get<TaskPage>(`/tasks/${root}`);
    expect(first).toMatchObject({
      task: { state: 'SUCCESS', result: '3' },
      parent: null,
      children: [{ id: flow.id, parentId: root }],
    });
    expect(await get<TaskPage>(`/tasks/${flow.id}`)).toMatchObject({
      parent: { id: root },
      root: { id: root },
      children: [],
    });
    const workflow = await get<WorkflowPage>(`/workflows/${root}`);
    expect(workflow.tasks.map(({ id }) => id)).toEqual([root, flow.id]);
    expect(workflow.counts).toEqual({ SUCCESS: 2 });
    expect(layoutOf(workflow.tasks)).toMatchObject({ edges: [{ from: { task: { id: root } } }], frames: [] });

    const failed = page.tasks[0]?.id ?? '';
    const again = await post<{ id: string }>(`/tasks/${failed}/retry?reason=new%20hats`, { args: ['caps'] });
    await until(async () => (await app.history.get(again.id))?.endedAt != null, 'the new task to end');
    expect(await get<TaskPage>(`/tasks/${again.id}`)).toMatchObject({
      task: { args: ['caps'], retryOf: failed, state: 'FAILURE' },
    });
    expect(await get<TaskPage>(`/tasks/${failed}`)).toMatchObject({ task: { retriedAs: [again.id] } });
    expect(await status('/tasks/nobody/retry', {})).toBe(409);
    expect(await status(`/tasks/${failed}/retry`, { args: 'caps' })).toBe(422);

    const away = await later.delay();
    await until(async () => (await app.history.get(away.id))?.state === 'RETRY', 'the retry to be known');
    expect(await get('/tasks?query=state:retry')).toMatchObject({
      tasks: [{ id: away.id, name: 'shop.later', state: 'RETRY' }],
    });

    const { groups } = await get<{ groups: readonly unknown[] }>('/failures?hours=1');
    expect(groups).toMatchObject([
      { exception: 'TypeError', message: 'no caps', task: 'shop.fail', count: 3 },
    ]);
    // It does not wait for the workers: the first time it may not know them.
    let overview = await get<Overview>('/overview');
    await until(async () => {
      overview = await get<Overview>('/overview');
      return !overview.workers.asking && overview.queues.value?.queues[0]?.workers?.length === 1;
    }, 'the workers to answer');
    expect(overview.minutes.reduce((sum, { failed }) => sum + failed, 0)).toBe(3);
    expect(overview.tasks.find(({ name }) => name === 'shop.add')).toMatchObject({
      succeeded: 2,
      runtime: { of: 2 },
    });
    expect(overview.queues.value?.queues).toMatchObject([{ name: 'celery', workers: ['celery@here'] }]);
    expect(await status('/tasks/nobody')).toBe(404);
    expect(await status('/tasks?query=state:failur')).toBe(400);
    expect(await status('/tasks?limit=100000')).toBe(422);
    expect(await status('/tasks?after=wrong')).toBe(400);
    expect(await status('/failures?hours=3')).toBe(422);
  });

  it('a worker: all that it says, and its reply to each order', async () => {
    const app = await newApp('sqlite');
    app.task('shop.add', { rateLimit: '10/m', timeLimit: 30 }, (a: number, b: number) => a + b);
    await startWorker(app, { concurrency: 2 });
    const { get, post, status } = dashboardOf(app);
    const name = 'celery@here';
    const tell = (order: unknown, workers: readonly string[] | null = [name]): Promise<ControlOutcome> =>
      post('/control', { workers, order });
    const shown = async (): Promise<WorkerDetail> => {
      let detail = await get<WorkerDetail>(`/workers/${name}`);
      await until(async () => {
        detail = await get<WorkerDetail>(`/workers/${name}`);
        return !detail.asking && detail.summary.queues !== null;
      }, 'the worker to reply');
      return detail;
    };
    expect(await shown()).toMatchObject({
      summary: { name, alive: true, answered: true, concurrency: 2, queues: ['celery'] },
      registered: { value: [{ name: 'shop.add', rateLimit: '10/m', softTimeLimit: null, timeLimit: 30 }] },
      active: { value: [] },
      conf: { problem: null },
    });
    expect(await tell({ action: 'pool_grow', n: 3 })).toEqual({
      replies: [{ worker: name, ok: true, text: 'pool will grow' }],
      silent: [],
    });
    expect((await shown()).stats.value).toMatchObject({ pool: { 'max-concurrency': 5 } });
    await tell({ action: 'add_consumer', queue: 'slow' });
    expect((await shown()).queues.value).toMatchObject([{ name: 'celery' }, { name: 'slow' }]);
    await tell({ action: 'cancel_consumer', queue: 'slow' });
    await tell({ action: 'rate_limit', task: 'shop.add', rate: '5/s' });
    await tell({ action: 'time_limit', task: 'shop.add', soft: 10, hard: 20 });
    expect(await shown()).toMatchObject({
      queues: { value: [{ name: 'celery' }] },
      registered: { value: [{ rateLimit: '5/s', softTimeLimit: 10, timeLimit: 20 }] },
    });
    expect((await tell({ action: 'autoscale', min: 1, max: 3 })).replies).toMatchObject([
      { ok: false, text: expect.stringContaining('Autoscale not enabled') },
    ]);
    expect((await tell({ action: 'enable_events' }, ['celery@gone'])).silent).toEqual(['celery@gone']);
    await until(async () => (await status('/workers/celery@gone')) === 404, 'it to be known for unknown');

    // A missing or absurd parameter reaches no worker.
    for (const order of [
      { action: 'add_consumer' },
      { action: 'add_consumer', queue: ['a'] },
      { action: 'pool_grow', n: 0 },
      { action: 'pool_grow', n: '1' },
      { action: 'rate_limit', task: 'shop.add' },
      { action: 'time_limit', task: 'shop.add', soft: 1 },
      { action: 'terminate' },
    ])
      expect(await status('/control', { workers: null, order }), JSON.stringify(order)).toBe(422);
    expect(await status('/control', { order: { action: 'shutdown' } })).toBe(422);
    expect(await status('/control', { workers: [], order: { action: 'shutdown' } })).toBe(422);
    expect(await status('/tasks/revoke', { ids: [] })).toBe(422);
    expect(await status(`/tasks/revoke?reason=${'x'.repeat(501)}`, { ids: ['x'] })).toBe(422);
    expect(await status('/tasks/revoke', { ids: ['x'], terminate: true, signal: 'rm -rf' })).toBe(422);
  });

  it('a queue: what waits in it, what its workers hold, and a pause until it ends', async () => {
    const app = await newApp('sqlite');
    const leaving = new AbortController();
    const slow = app.task('shop.slow', async (call: number) => {
      if (!leaving.signal.aborted) await once(leaving.signal, 'abort');
      return call;
    });
    const { get, post, status } = dashboardOf(app);
    const line = async (name: string): Promise<QueueLine | undefined> =>
      (await get<QueueOverview>('/queues')).queues.find((queue) => queue.name === name);
    const running = await slow.delay(1);
    for (const call of [2, 3]) await slow.delay(call);
    await app.send('shop.slow', [4], { countdown: 3_600 });
    const last = await get<WaitingList>('/queues/celery/waiting?first=last');
    expect(last.waiting).toMatchObject([
      { position: 2, task: 'shop.slow', call: '(3,)', dueAt: null, waitsSince: expect.any(Number) },
      { position: 1 },
      { position: 0, id: running.id },
    ]);
    const later = await get<WaitingList>('/queues/celery/waiting?place=scheduled');
    expect(later.waiting).toMatchObject([{ position: 0, call: '(4,)', dueAt: expect.any(Number) }]);
    await until(async () => (await line('celery'))?.workers !== null, 'the request to the workers to end');
    expect(await line('celery')).toMatchObject({
      ready: 3,
      scheduled: 1,
      held: 0,
      paused: null,
      workers: [],
    });
    expect((await line('celery'))?.oldestAt).toEqual(expect.any(Number));

    await startWorker(app, { concurrency: 1 });
    await until(async () => (await line('celery'))?.held === 1, 'the first message to be held');
    // The dashboard asks workers for their messages every few seconds only.
    await until(async () => {
      const { held, told, lease } = await get<HeldList>('/queues/celery/held');
      return (
        told.silent.length === 0 && lease === 15 && held[0]?.id === running.id && held[0].startedAt !== null
      );
    }, 'the worker to report it');
    expect((await get<HeldList>('/queues/slow/held')).held).toEqual([]);
    const paused = await post<ControlOutcome>('/queues/celery/pause?reason=the%20bank%20is%20down');
    expect(paused.replies).toMatchObject([{ worker: 'celery@here', ok: true }]);
    expect(await line('celery')).toMatchObject({
      ready: 2,
      paused: { by: 'the dashboard', reason: 'the bank is down', since: expect.any(Number) },
    });
    leaving.abort();
    await running.get(patience);
    await until(async () => (await line('celery'))?.held === 0, 'the running task to finish');
    expect(await line('celery')).toMatchObject({ ready: 2 });
    await post('/queues/celery/resume');
    await until(async () => (await line('celery'))?.ready === 0, 'the others to run');
    expect(await line('celery')).toMatchObject({ paused: null });
    expect(await post('/waiting/purge', { from: 'celery', query: 'name:no.such' })).toEqual({ purged: 0 });
    const all = { from: 'celery', query: 'name:shop.slow' };
    expect(await post('/waiting/purge', { ...all, dryRun: true })).toEqual({ purged: 1 });
    expect(await post('/waiting/purge', all)).toEqual({ purged: 1 });
    expect(await status('/waiting/purge', { from: 'celery', query: 'nme:x' })).toBe(400);

    for (const path of ['waiting?place=held', 'waiting?first=3'])
      expect(await status(`/queues/celery/${path}`), path).toBe(422);
    for (const name of ['umbel.dead', 'x'.repeat(256)]) {
      for (const action of ['pause', 'resume'])
        expect(await status(`/queues/${name}/${action}`, {}), `${action} ${name}`).toBe(422);
      expect(await status('/waiting/purge', { from: name }), `purge ${name}`).toBe(422);
    }
    expect(await status(`/queues/celery/pause?reason=${'x'.repeat(501)}`, {})).toBe(422);
    expect(await app.queues.paused()).toEqual([]);
  });

  it('a broker that cannot show messages or keep pauses, as RabbitMQ, is explained', async () => {
    const app = await newApp('sqlite');
    const { get, status } = dashboardOf(app);
    Object.assign(await app.broker(), { peek: undefined, openPauses: undefined });
    Object.assign((await app.backend()) ?? {}, { openPauses: undefined });
    expect(await get('/queues/celery/waiting')).toEqual({
      waiting: [],
      problem: expect.stringContaining('cannot be shown'),
    });
    expect(await status('/queues/celery/pause', {})).toBe(409);
  });

  it('the doctor: problems of the application, its broker and its workers', async () => {
    const app = await newApp('sqlite');
    const { get } = dashboardOf(app);
    const examined = async (visit: string): Promise<readonly Finding[]> => {
      const { at } = await get<DoctorReport>(visit);
      let report = await get<DoctorReport>('/doctor');
      await until(async () => {
        report = await get<DoctorReport>('/doctor');
        return report.findings !== null && report.at !== at;
      }, 'the findings');
      return report.findings ?? [];
    };
    expect(await get<DoctorReport>('/doctor')).toMatchObject({
      hasTasks: false,
      findings: null,
      at: null,
      examining: true,
    });
    const before = await examined('/doctor');
    expect(before.map(({ check }) => check)).not.toContain('time-limits');
    app.task('shop.add', (a: number, b: number) => a + b);
    await app.send('shop.add', [1, 2], { queue: 'unserved' });
    const findings = await examined('/doctor?again=true');
    expect((await get<DoctorReport>('/doctor')).hasTasks).toBe(true);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'time-limits', level: 'warning', what: expect.any(String) }),
    );
    const ranks = findings.map(({ level }) => ['error', 'warning', 'note'].indexOf(level));
    expect(ranks).toEqual([...ranks].sort());
  });

  it('queues, dead letters and schedules', async () => {
    const app = await newApp('sqlite');
    const refuse = app.task('shop.refuse', () => {
      throw new Reject('not now');
    });
    app.schedule('pulse', every('1h'), refuse.s());
    const { get, post, status } = dashboardOf(app);
    await app.send('shop.later', [1], { queue: 'slow' });
    await app.send('shop.later', [2], { queue: 'slow', countdown: 3_600 });
    let slow: QueueLine | undefined;
    await until(async () => {
      slow = (await get<QueueOverview>('/queues')).queues.find(({ name }) => name === 'slow');
      return slow?.workers !== null;
    }, 'the request to the workers to end');
    expect(slow).toMatchObject({ ready: 1, scheduled: 1, workers: [] });
    expect(await post('/waiting/purge', { from: 'slow' })).toEqual({ purged: 2 });

    const ran = await post<{ id: string }>('/schedules/pulse/run');
    await post('/schedules/pulse/pause');
    expect(await get('/schedules')).toMatchObject({
      schedules: [{ name: 'pulse', state: 'paused', nextAt: null }],
    });
    await post('/schedules/pulse/resume');
    const { schedules } = await get<{ schedules: readonly { day: { runs: number } }[] }>('/schedules');
    expect(schedules[0]?.day.runs).toBeGreaterThan(22);
    expect(await status('/schedules/nobody/run', {})).toBe(404);

    await startWorker(app);
    await until(async () => (await app.deadLetters.count()) === 1, 'the dead letter');
    const dead = await get<{ letters: readonly { id: number }[] }>('/dead?reason=rejected&task=shop.*');
    expect(dead).toMatchObject({ total: 1, next: null, letters: [{ taskId: ran.id, reason: 'rejected' }] });
    const ids = dead.letters.map(({ id }) => id);
    const letter = await get<DeadLetterPage>(`/dead/${ids[0]}`);
    expect(letter).toMatchObject({ isText: true, letter: { args: '()', detail: 'not now' } });
    expect(letter.content).toContain('shop.refuse');
    expect(await post('/dead/replay', { ids })).toEqual({ done: 1, missing: 0 });
    await until(async () => (await app.deadLetters.count()) === 1, 'it to die again');
    const again = await get<{ letters: readonly { id: number }[] }>('/dead');
    expect(await post('/dead/discard', { ids: again.letters.map(({ id }) => id) })).toEqual({
      done: 1,
      missing: 0,
    });
    expect(await post('/dead/discard', { ids: [1] })).toEqual({ done: 0, missing: 1 });
    expect(await status('/dead/999')).toBe(404);
    expect(await status('/dead?reason=none')).toBe(422);
  });

  it('read-only: whoever acts is refused', async () => {
    const app = await newApp('sqlite');
    const { status } = dashboardOf(app, { readOnly: true });
    for (const path of [
      '/tasks/revoke',
      '/tasks/x/retry',
      '/control',
      '/queues/celery/pause',
      '/queues/celery/resume',
      '/waiting/purge',
      '/restart',
      '/chords/x/fire',
      '/schedules/pulse/run',
      '/schedules/pulse/pause',
      '/dead/replay',
      '/dead/discard',
    ])
      expect(await status(path, {}), path).toBe(403);
  });

  it('the stream of changes tells what changed, and ends with the dashboard', async () => {
    const app = await newApp('sqlite');
    const add = app.task('shop.add', (a: number, b: number) => a + b);
    await startWorker(app, { taskEvents: true });
    const dashboard = createDashboard(app, { insecure: true });
    onTestFinished(() => dashboard.close());
    const response = await dashboard.fetch(new Request('http://localhost/api/v1/live'));
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const ended = (async () => {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
        if (done) return;
        text += value;
      }
    })();
    await until(() => text.includes('event: delta'), 'the first delta');
    // Whether the dashboard hears events yet is not told: what is sent before is not heard.
    await until(async () => {
      await (await add.delay(1, 2)).get(patience);
      return /"name":"shop.add","state":"SUCCESS"/.test(text);
    }, 'a success to be told');
    await dashboard.close();
    await within(ended, 'the stream to end');
  });
});

describe('the live feed', () => {
  const event = (type: string, uuid: string, more: object = {}) => ({
    type,
    uuid,
    hostname: 'w@h',
    timestamp: 1_000,
    utcoffset: 0,
    pid: 1,
    clock: 1,
    ...more,
  });

  it('gathers what happens, and a reader that is slow is told that it missed something', async () => {
    const cluster = new ClusterState();
    let problem: string | null = null;
    const feed = new LiveFeed(cluster, () => problem);
    const leaving = new AbortController();
    const reading = feed.read(leaving.signal);
    const next = async (): Promise<LiveDelta> => {
      const { value, done } = await reading.next();
      if (done) throw new Error('it ended');
      return value;
    };
    const tell = (type: string, uuid: string): void => {
      cluster.add(event(type, uuid, { name: 'shop.add' }), 1_000_000);
      feed.add(event(type, uuid), 1_000_000);
    };
    expect(await next()).toMatchObject({ tasks: [], workers: [], partial: false });
    for (let n = 0; n < 150; n++) tell('task-succeeded', `id${n}`);
    const delta = await next();
    expect(delta).toMatchObject({ partial: true, counts: { succeeded: 150 } });
    expect(delta.tasks).toHaveLength(100);
    expect(delta.tasks.at(-1)).toMatchObject({ id: 'id149', state: 'SUCCESS' });
    tell('task-failed', 'id1');
    tell('task-failed', 'id2');
    expect(await next()).toMatchObject({
      counts: { failed: 2 },
      partial: false,
      tasks: [{ id: 'id1' }, { id: 'id2' }],
    });
    problem = 'connect ECONNREFUSED';
    expect(await next()).toMatchObject({ tasks: [], brokerProblem: problem });
    problem = null;
    expect(await next()).toMatchObject({ brokerProblem: null });
    leaving.abort();
    expect((await reading.next()).done).toBe(true);
    expect(feed.readers).toBe(0);
  });

  it('counts what was sent once, by the event of the sender, or else by the id when it is received', () => {
    const cluster = new ClusterState();
    const feed = new LiveFeed(cluster);
    const now = 1_795_472_245_000;
    const tell = (type: string, uuid: string, more: object = {}): void => {
      const told = event(type, uuid, { timestamp: now / 1000, ...more });
      cluster.add(told, now);
      feed.add(told, now);
    };
    const ours = (n: number): string => `01a20a7c-3dcf-7478-8f00-${String(n).padStart(12, '0')}`; // made 0.825 s before
    const first = { name: 'shop.add', root_id: ours(1), retries: 0, umbel: { attempt: 1 } };
    tell('task-received', ours(1), first);
    tell('task-started', ours(1));
    tell('task-received', ours(1), { ...first, umbel: { attempt: 2 } }); // its worker died
    tell('task-sent', ours(2), { name: 'shop.add' });
    tell('task-received', ours(2), first);
    tell('task-received', ours(3), first);
    tell('task-sent', ours(3), { name: 'shop.add' }); // the sender's event comes late
    tell('task-received', 'of-python', { name: 'ml.add' });
    tell('task-received', 'sent-by-python', { name: 'ml.add' });
    tell('task-sent', 'sent-by-python', { name: 'ml.add' });
    expect(feed.activity.minutes(now).reduce((sum, { sent }) => sum + sent, 0)).toBe(4);
    const add = feed.activity.tasks(now).find(({ name }) => name === 'shop.add');
    expect(add?.wait).toMatchObject({ p50: expect.closeTo(825, 3), of: 1 });
  });

  it('counts what the history knows of the time before it began, and no more', async () => {
    const feed = new LiveFeed(new ClusterState());
    const now = Date.now();
    const task = (endedAt: number) => ({
      name: 'shop.add',
      state: 'SUCCESS',
      endedAt,
      sentAt: endedAt,
      attempts: [],
    });
    const [first, rest] = [
      [task(now - 60_000), task(now + 60_000)],
      [task(now - 90_000), task(now - 7_200_000)],
    ];
    const list = async (_: string, { after }: { after?: string }) =>
      after === undefined ? { tasks: first, next: 'more' } : { tasks: rest, next: null };
    await feed.loadHistory({ list } as unknown as TaskHistory); // all that it asks for
    const counted = feed.activity.minutes(now).reduce((sum, { succeeded }) => sum + succeeded, 0);
    expect(counted).toBe(2);
  });
});

it('who may tell a worker what', () => {
  expect(rightFor({ action: 'enable_events' })).toBe('events');
  expect(rightFor({ action: 'pool_grow', n: 1 })).toBe('workers');
  expect(rightFor({ action: 'shutdown' })).toBe('shutdown');
});

it('rates: by the minute, of the last hour, with percentiles of each task', () => {
  const activity = new RecentActivity();
  const now = 100 * 3_600_000 + 30_000;
  activity.add('succeeded', 'a', now - 61 * 60_000, now);
  activity.add('succeeded', 'a', now, now);
  activity.add('failed', 'b', now - 60_000, now);
  activity.add('retried', null, now, now);
  for (let ms = 1; ms <= 100; ms++) activity.addRuntime('a', ms, now);
  expect(activity.minutes(now).slice(-2)).toEqual([
    { at: now - 90_000, sent: 0, succeeded: 0, failed: 1, retried: 0 },
    { at: now - 30_000, sent: 0, succeeded: 1, failed: 0, retried: 1 },
  ]);
  expect(activity.minutes(now)).toHaveLength(60);
  expect(activity.tasks(now)).toMatchObject([
    { name: 'a', succeeded: 1, failed: 0, runtime: { p50: 50, p95: 95, of: 100 }, wait: null },
    { name: 'b', succeeded: 0, failed: 1, runtime: null },
  ]);
  expect(activity.tasks(now + 3_600_000)).toEqual([]);
});

it('failures: grouped by task, exception and place', () => {
  const python =
    'Traceback (most recent call last):\n  File "/app/celery.py", line 9, in run\n  File "/app/tasks.py", line 12, in charge\n    pay()\nValueError: no';
  const script = 'TypeError: no\n    at charge (file:///app/tasks.ts:7:3)\n    at node:internal/x:1:1';
  const task = (id: string, exception: string, traceback: string | null, endedAt: number) =>
    ({ id, name: 'shop.charge', exception, traceback, endedAt, worker: 'w@h' }) as unknown as Parameters<
      typeof groupsOf
    >[0][number]; // what is looked at
  const groups = groupsOf(
    [
      task('1', "ValueError('first')", python, 1_000),
      task('2', "ValueError('second')", python, 23_500),
      task('3', "TypeError('no')", script, 2_000),
      task('4', 'odd', null, 3_000),
    ],
    0,
    24_000,
  );
  expect(groups).toMatchObject([
    {
      exception: 'ValueError',
      message: 'second',
      place: 'tasks.py:12 in charge',
      count: 2,
      firstAt: 1_000,
      lastId: '2',
    },
    { exception: 'odd', place: null },
    { exception: 'TypeError', place: 'tasks.ts:7 in charge' },
  ]);
  expect(groups[0]?.trend.map((count, part) => count && part).filter(Boolean)).toEqual([1, 23]);
});

it.each([
  ["(1, 'a', None)", [1, 'a', null]],
  ["{'a': [True, False], 2: -1.5e3}", { a: [true, false], 2: -1500 }],
  ['(1,)', [1]],
  ['()', []],
  ['"it\'s"', "it's"],
  ["'\\n\\x41\\u00e9\\'\\\\'", "\nAé'\\"],
  ['12345678901234567890', '12345678901234567890'],
])('a plain Python value is read: %s', (text, value) => {
  expect(readPython(text)).toEqual({ value });
});

it.each([
  ["('abc', 5)", ['abc', 5]],
  ["('abc...',)", null],
  ["{'password': '********'}", null],
  ["{'card': '**** **** **** 1234'}", null],
  ['(12345678901234567890,)', null],
  [null, null],
])('a call is sent again by what Python wrote of it only if that is whole: %s', (text, value) => {
  expect(readWholePython(text)).toEqual(value);
});

it.each([
  '(1, ...',
  "{'a': {...}}",
  '<Order 7>',
  'datetime.date(2026, 1, 1)',
  "'cut",
  '{1, 2}',
  '(1) 2',
  '('.repeat(200),
])('what is no plain Python value is left as text: %s', (text) => {
  expect(readPython(text)).toBeNull();
});
