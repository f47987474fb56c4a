// Running many tasks of the history again, as a job.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { openHistoryOf } from '../../src/app/history-work.ts';
import { RetryJob } from '../../src/app/retry-job.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { mergeFacts, type TaskFacts } from '../../src/history/facts.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import type { HistoryStore } from '../../src/stores/history-store.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { newApp, newFolder, newStore, startWorker } from '../worker/bench.ts';

let clock = 0;

function factsOf(type: string, uuid: string, fields: object = {}): TaskFacts {
  const event = { hostname: 'w@here', utcoffset: 0, pid: 1, clock: ++clock, uuid, ...fields };
  return (
    readTaskEvent({ ...event, type, timestamp: 1_763_776_800 + clock }) ?? expect.fail('no event of a task')
  );
}

/** A task that a worker ran with these arguments, and that failed. */
function failed(id: string, args: readonly unknown[] | null, name = 'mail'): TaskFacts {
  const umbel = { queue: 'celery', priority: 0, ...(args !== null && { args, kwargs: {} }) };
  return mergeFacts(factsOf('task-received', id, { name, args: '…', umbel }), factsOf('task-failed', id));
}

interface Failed {
  readonly app: App;
  readonly history: HistoryStore;
}

let database: Promise<PostgresServerProcess> | null = null;
let schemas = 0;

/** Where the history is kept. */
const places: readonly {
  readonly place: string;
  readonly missing: string | undefined;
  readonly newUrl: () => Promise<string>;
}[] = [
  {
    place: 'SQLite',
    missing: undefined,
    newUrl: async () => `sqlite://${join(await newFolder(), 'history.db')}`,
  },
  {
    place: 'PostgreSQL',
    missing: noPostgres,
    async newUrl() {
      database ??= PostgresServerProcess.shared();
      return (await database).url(`?schema=jobs_${++schemas}`);
    },
  },
];

/** An application, its task, and its history, in which so many tasks have failed, with their numbers as arguments. */
async function failedIn(historyStore: string, count: number, options: AppOptions = {}): Promise<Failed> {
  const app = await newApp('sqlite', { historyStore, ...options });
  app.task('mail', (n: number) => n);
  const history = await openHistoryOf(app.config);
  onTestFinished(() => history.close());
  const facts = Array.from({ length: count }, (_, n) => failed(`t${n}`, [n]));
  await history.merge(facts, { id: 'r', from: 0, until: Date.now() });
  return { app, history };
}

/** The first arguments of what waits, with how often each does. */
async function waiting(app: App): Promise<readonly unknown[]> {
  const found = await app.queues.peek('celery', { limit: 1_000 });
  return found.map(({ call }) => call?.args[0]);
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

/** The id of a process that has ended. */
async function deadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? expect.fail('it did not start');
}

/** Runs it until so many are sent; then it is paused. */
async function runUntil(job: RetryJob, sent: number): Promise<void> {
  const stop = new AbortController();
  const running = job.run({ signal: stop.signal });
  await until(async () => (await job.status()).sent >= sent, `${sent} sent`);
  stop.abort();
  expect(await running).toMatchObject({ state: 'paused', pauseReason: 'its process was stopped' });
}

for (const { place, missing, newUrl } of places)
  needs(describe, missing)(`a job that runs tasks again, its history in ${place}`, () => {
    const withFailed = async (count: number, options: AppOptions = {}): Promise<Failed> =>
      failedIn(await newUrl(), count, options);

    it('sends each that a query finds once, and says which cannot run again', async () => {
      const { app, history } = await withFailed(60);
      const more = [
        failed('secret', [{ password: '********' }]),
        failed('unknown', null),
        factsOf('task-received', 'runs', { name: 'mail' }),
      ];
      await history.merge(more, null);
      await app.history.retry('t0');
      await app.history.retry('t1');
      const job = await app.history.retryAll('name:mail', { rate: 0, by: 'ann', reason: 'it is back' });
      expect(await job.status()).toMatchObject({
        ...{ state: 'ready', query: 'name:mail', by: 'ann', reason: 'it is back', rate: null, stopAt: null },
        ...{ total: 63, open: 58, sending: 0, sent: 0, refused: 5, outcomes: {} },
      });
      const { problems } = await job.status();
      expect(problems).toContainEqual({ problem: 'it was run again already', tasks: 2 });
      expect(problems).toContainEqual({ problem: 'it has not ended (RECEIVED)', tasks: 1 });
      expect(problems.map(({ tasks }) => tasks)).toEqual([2, 1, 1, 1]);
      expect(await waiting(app)).toEqual([0, 1]); // nothing yet
      expect(await job.run()).toMatchObject({ state: 'done', open: 0, sending: 0, sent: 58, refused: 5 });
      expect(await waiting(app)).toEqual(upTo(60));
      const record = await app.history.get('t7');
      expect(record).toMatchObject({ state: 'FAILURE', retriedAs: [expect.any(String)] });
      const last = (await app.queues.peek('celery', { first: 'last', limit: 1 }))[0]?.call;
      expect((await app.history.get('t59'))?.retriedAs).toEqual([last?.id]);
      // Once more: nothing is left, unless it is asked for.
      expect(await job.run()).toMatchObject({ state: 'done', sent: 58 });
      expect(await (await app.history.retryAll('name:mail')).status()).toMatchObject({
        open: 0,
        refused: 63,
      });
      expect(await (await app.history.retryAll('name:mail', { again: true })).status()).toMatchObject({
        open: 60,
      });
      expect(await app.history.retryJobs()).toMatchObject([
        { state: 'ready' },
        { state: 'ready' },
        { id: job.id },
      ]);
    });

    it('is prepared apart from being made, again after its process died, and once', async () => {
      const { app, history } = await withFailed(1_200);
      const jobs = await history.openJobs();
      const job = await app.history.retryAll('name:mail', { prepare: false });
      const other = await app.history.retryJob(job.id);
      expect(await other.status()).toMatchObject({ state: 'planning', pauseReason: '', total: 0 });
      await expect(other.run()).rejects.toThrow('its tasks are being gathered');
      await expect(other.prepare()).rejects.toThrow('its tasks are being gathered');
      const tooEarly = new AbortController();
      tooEarly.abort(new Error('it closes'));
      await expect(job.prepare({ signal: tooEarly.signal })).rejects.toThrow('it closes');
      expect(await other.status()).toMatchObject({
        state: 'planning',
        pauseReason: 'its process was stopped',
      });
      // A process that died after its first page: its row says that it prepares, and it lives no more.
      await jobs.add(job.id, [{ original: 't0', newId: 'first', state: 'open', problem: '' }]);
      const dead = { runner: `${hostname()}/${await deadProcess()}/x`, aliveAt: Date.now(), pauseReason: '' };
      expect(await jobs.change(job.id, dead, { from: ['planning'] })).toBe(true);
      expect(await other.status()).toMatchObject({ state: 'planning', pauseReason: 'its process died' });
      await expect(other.run()).rejects.toThrow('its preparation has stopped');
      expect(await other.prepare()).toMatchObject({
        state: 'ready',
        pauseReason: '',
        total: 1_200,
        open: 1_200,
      });
      await expect(job.prepare()).rejects.toThrow('prepared already');
      const aborted = await app.history.retryAll('name:mail', { prepare: false });
      expect(await aborted.abort()).toBe(true);
      await expect(aborted.prepare()).rejects.toThrow('is aborted');
      await expect(app.history.retryAll('(((', { prepare: false })).rejects.toMatchObject({
        code: 'UMBEL_QUERY',
      });
    });

    it('sends them to another queue with another priority, if that is wanted', async () => {
      const { app } = await withFailed(3);
      const job = await app.history.retryAll('state:failure', { queue: 'slow', priority: 4 });
      await job.run();
      const found = await app.queues.peek('slow');
      expect(found.map(({ call }) => [call?.args[0], call?.priority])).toEqual([0, 1, 2].map((n) => [n, 4]));
    });

    it('is paused, goes on where it was, and is aborted', async () => {
      const { app } = await withFailed(500);
      const job = await app.history.retryAll('', { rate: 100 });
      await runUntil(job, 20);
      const same = await app.history.retryJob(job.id);
      await runUntil(same, 40);
      const running = job.run();
      await until(async () => (await job.status()).sent >= 60);
      // No other process may run it meanwhile.
      await expect(same.run()).rejects.toMatchObject({ code: 'UMBEL_RETRY_JOB', jobId: job.id });
      expect(await same.pause('the mail server is down')).toBe(true);
      const { state, pauseReason, sent } = await running;
      expect({ state, pauseReason }).toEqual({ state: 'paused', pauseReason: 'the mail server is down' });
      expect(await waiting(app)).toEqual(upTo(sent));
      expect(await same.abort()).toBe(true);
      expect(await same.abort()).toBe(false);
      await expect(job.run()).rejects.toThrow('was aborted');
      await expect((await app.history.retryJob('none')).run()).rejects.toMatchObject({
        code: 'UMBEL_RETRY_JOB',
      });
    });

    it('pauses when too many of the new runs fail again', async () => {
      const { app, history } = await withFailed(2_000);
      const job = await app.history.retryAll('state:failure', { rate: 200, stopAt: 0.05 });
      const running = job.run();
      await until(async () => (await job.status()).sent >= 40);
      const sent = await app.queues.peek('celery', { limit: 40 });
      const ends = sent.map(({ call }, n) =>
        factsOf(n < 3 ? 'task-failed' : 'task-succeeded', call?.id ?? ''),
      );
      await history.merge(ends, null);
      const status = await running;
      expect(status).toMatchObject({ state: 'paused', pauseReason: '3 of 40 new runs failed again (8 %)' });
      expect(status.outcomes).toEqual({ FAILURE: 3, SUCCESS: 37 });
      expect(status.open).toBeGreaterThan(0);
      expect(await waiting(app)).toHaveLength(Math.min(1_000, status.sent));
      await expect(app.history.retryAll('', { stopAt: 5 })).rejects.toThrow('a share from 0 to 1');
    });

    it('refuses calls that do not fit the schema, and tasks that no worker has registered', async () => {
      const { app, history } = await withFailed(2);
      app.task('pair', { parameters: ['x', 'y'] }, (x: number, y: number) => x + y);
      const more = [
        failed('fits', [1, 2], 'pair'),
        failed('misses', [1], 'pair'),
        failed('python', [1], 'ml.predict'),
        failed('gone', [1], 'ml.old'),
      ];
      await history.merge(more, null);
      const { open, refused, problems } = await (
        await app.history.retryAll('', { registered: ['ml.predict'] })
      ).status();
      expect({ open, refused }).toEqual({ open: 4, refused: 2 });
      expect(problems.map(({ problem }) => problem).sort()).toEqual([
        "no worker that answers has registered the task 'ml.old'",
        "the arguments of 'pair' do not fit: $args: misses y",
      ]);
      const unknown = await app.history.retryAll('');
      expect(await unknown.status()).toMatchObject({ open: 5, refused: 1 });
      await unknown.delete();
      await expect(unknown.status()).rejects.toMatchObject({ code: 'UMBEL_RETRY_JOB' });
      expect(await app.history.retryJobs()).toHaveLength(1);
    });

    it('does not run a task again that another job has run again since its preflight', async () => {
      const { app } = await withFailed(3);
      const [first, second] = [await app.history.retryAll(''), await app.history.retryAll('')];
      expect(await first.run()).toMatchObject({ state: 'done', sent: 3 });
      const { sent, refused, problems } = await second.run();
      expect({ sent, refused, problems }).toEqual({
        ...{ sent: 0, refused: 3 },
        problems: [{ problem: 'it was run again already', tasks: 3 }],
      });
      expect(await waiting(app)).toEqual(upTo(3));
    });

    it('is paused by an error of the broker, and then resumed', async () => {
      const { app } = await withFailed(3);
      const job = await app.history.retryAll('');
      const broker = await app.broker();
      const publish = broker.publish.bind(broker);
      broker.publish = () => Promise.reject(new BrokerUnavailable('the disk is full'));
      await expect(job.run()).rejects.toThrow('the disk is full');
      expect(await job.status()).toMatchObject({
        state: 'paused',
        pauseReason: 'the disk is full',
        sending: 3,
      });
      broker.publish = publish;
      expect(await job.run()).toMatchObject({ state: 'done', sent: 3, pauseReason: '' });
      expect(await waiting(app)).toEqual(upTo(3));
    });

    it.each([
      { name: 'results beside the messages', options: {} },
      ...(isLong ? [{ name: 'no results', options: { taskIgnoreResult: true } }] : []),
    ])('sends each task once, wherever its process is killed: SQLite, $name', async ({ options }) => {
      await killedAtEachStep(await withFailed(0, options));
    });

    needs(it, noRedis ?? inLongRun)(
      'sends each task once, wherever its process is killed: Redis',
      async () => {
        await using server = await RedisServerProcess.shared();
        const made = await withFailed(0, { broker: server.url(), taskIgnoreResult: true });
        // Redis remembers each id for half a minute in any case. The job is resumed later than that.
        await killedAtEachStep(made, (ids) => void server.cli('del', ...ids.map((id) => `umbel:sent:${id}`)));
      },
    );

    needs(it, noRabbit)(
      'a process killed on RabbitMQ leaves two messages of a task, of which one runs',
      async () => {
        await using server = await RabbitServerProcess.shared();
        const queue = 'retry-job';
        const { app, history } = await withFailed(0, {
          ...{ broker: server.url(), backend: await newStore('sqlite'), taskDefaultQueue: queue },
        });
        const runs: number[] = [];
        app.task('count', (n: number) => runs.push(n));
        await history.merge(
          upTo(3).map((n) => failed(`c${n}`, [n], 'count')),
          null,
        );
        const job = await app.history.retryAll('name:count', { queue });
        const broker = await app.broker();
        const publish = broker.publish.bind(broker);
        broker.publish = async (...args) => {
          await publish(...args);
          throw new Error('killed');
        };
        await expect(job.run()).rejects.toThrow('killed');
        broker.publish = publish;
        expect(await job.status()).toMatchObject({ state: 'paused', sending: 3 });
        expect(await job.run()).toMatchObject({ state: 'done', sent: 3 });
        await until(async () => (await broker.size(queue)).ready === 6, 'six messages');
        const { worker, log } = await startWorker(app, { queues: [queue] });
        // An empty queue says little: a worker that is stopped gives back what it has not begun.
        const again = (text: string): boolean => text.includes('its result is recorded: not run again');
        await until(() => log.texts().filter(again).length === 3, 'the second message of each task');
        await worker.stop();
        expect((await broker.size(queue)).ready).toBe(0);
        expect(runs.sort()).toEqual([0, 1, 2]);
      },
    );
  });

/**
 * Runs jobs, each killed one step later than the one before, until a job ends before it is killed. A step is a write or a send, before or after. After each
 * kill another process resumes the job. Each task must then wait once, under the id that the preflight gave it.
 */
async function killedAtEachStep(
  { app, history }: Failed,
  beforeResume: (ids: readonly string[]) => void = () => undefined,
): Promise<void> {
  const broker = await app.broker();
  const publish = broker.publish.bind(broker);
  const jobs = await history.openJobs();
  for (let step = 0; ; step++) {
    const originals = upTo(3).map((n) => `step${step}-${n}`);
    await history.merge(
      originals.map((id) => failed(id, [1])),
      null,
    );
    const planned = await app.history.retryAll(`id:step${step}-*`, { rate: 0, queue: `step${step}` });
    const ids = (await jobs.items(planned.id, 'open', 10)).map(({ newId }) => newId);
    const killed = killedAfter(step);
    broker.publish = killed.wrap({ publish }).publish;
    const job = new RetryJob(planned.id, app, killed.wrap(history), killed.wrap(jobs));
    const end = await job.run().catch((error: unknown) => error);
    broker.publish = publish;
    // A job is left to others when its process is dead. This process lives.
    const row = await jobs.get(planned.id);
    if (row?.runner != null)
      await jobs.change(planned.id, { runner: 'host/1/x', aliveAt: 0 }, { from: [row.state] });
    beforeResume(ids);
    expect(await (await app.history.retryJob(planned.id)).run()).toMatchObject({
      ...{ state: 'done', open: 0, sending: 0, sent: 3, refused: 0 },
    });
    const found = await app.queues.peek(`step${step}`);
    expect(found.map(({ call }) => call?.id).sort(), `killed at step ${step}`).toEqual([...ids].sort());
    expect((await app.history.get(originals[0] ?? ''))?.retriedAs).toEqual([ids[0]]);
    if (!killed.isDead()) {
      expect(end).toMatchObject({ state: 'done' });
      expect(step).toBeGreaterThan(12);
      return;
    }
  }
}

/** Objects whose methods do nothing any more after so many steps; a call is two steps: it begins, and it returns. */
function killedAfter(steps: number): { wrap<T extends object>(target: T): T; isDead(): boolean } {
  let left = steps;
  const dead = (): boolean => left < 0;
  const live = (): void => {
    left--;
    if (dead()) throw new Error('killed');
  };
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (_, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return async (...args: readonly unknown[]) => {
          live();
          const answer: unknown = await Reflect.apply(member, target, args);
          live();
          return answer;
        };
      },
    });
  return { wrap, isDead: dead };
}
