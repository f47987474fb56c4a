import { describe, expect, it } from 'vitest';
import { matrixOf, type TaskMatrix } from '../../src/dashboard/server/pages/matrix.ts';
import { until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

const worker = (
  name: string,
  tasks: readonly string[],
  queues = ['celery'],
  software = 'js-umbel 0.1.0 Linux',
) => ({
  name,
  tasks,
  signatures: {},
  queues,
  software,
  accepts: null,
});
const of = ({ tasks }: TaskMatrix): Record<string, unknown> =>
  Object.fromEntries(tasks.map(({ task, problem, cells }) => [task, [problem, ...cells]]));

describe('tasks and workers', () => {
  it('a task that is sent and known to nobody, and one that is known on one of two workers of a queue', () => {
    const matrix = matrixOf(
      [
        worker('a', ['add', 'new']),
        worker('b', ['add']),
        worker('c', ['mail'], ['mail'], 'py-celery 5.5.0 Linux'),
      ],
      { sent: new Map([['lost', 3]]), queuesOf: new Map() },
    );
    expect(matrix.groups).toEqual([
      {
        workers: ['a'],
        queues: ['celery'],
        language: 'TypeScript',
        software: 'js-umbel 0.1.0',
        accepts: null,
      },
      {
        workers: ['b'],
        queues: ['celery'],
        language: 'TypeScript',
        software: 'js-umbel 0.1.0',
        accepts: null,
      },
      { workers: ['c'], queues: ['mail'], language: 'Python', software: 'py-celery 5.5.0', accepts: null },
    ]);
    expect(matrix.tasks.map(({ task }) => task)).toEqual(['lost', 'new', 'add', 'mail']);
    expect(of(matrix)).toEqual({
      lost: ['nobody', 'none', 'none', 'none'],
      new: ['some', 'knows', 'lacks', 'none'],
      add: [null, 'knows', 'knows', 'none'],
      mail: [null, 'none', 'none', 'knows'],
    });
  });

  it('only the workers of the queues to which a task is sent need to know it', () => {
    const workers = [
      worker('a', ['add'], ['celery', 'slow']),
      worker('b', [], ['celery']),
      worker('c', [], ['slow']),
    ];
    const sentTo = (queue: string): Record<string, unknown> =>
      of(matrixOf(workers, { sent: null, queuesOf: new Map([['add', new Set([queue])]]) }));
    expect(sentTo('celery')).toEqual({ add: ['some', 'knows', 'lacks', 'none'] });
    expect(sentTo('slow')).toEqual({ add: ['some', 'knows', 'none', 'lacks'] });
  });

  it('workers that are alike are one column', () => {
    const workers = Array.from({ length: 50 }, (_, n) => worker(`w${n}`, ['add', n < 49 ? 'x' : 'y']));
    const { groups, tasks } = matrixOf(workers, { sent: null, queuesOf: new Map() });
    expect(groups.map((group) => group.workers.length)).toEqual([49, 1]);
    expect(tasks.map(({ task, problem }) => [task, problem])).toEqual([
      ['x', 'some'],
      ['y', 'some'],
      ['add', null],
    ]);
  });

  it('is asked of the workers and of the history', async () => {
    const app = await newApp('sqlite', { taskSendSentEvent: true });
    app.task('shop.add', (a: number, b: number) => a + b);
    const ask = newDashboard(app);
    await startWorker(app, { taskEvents: true });
    await until(async () => (await app.history.status()).recordedUntil !== null, 'a recorder to listen');
    await app.send('shop.nobodys', [1], { queue: 'else' });
    const read = async (): Promise<TaskMatrix> => (await ask('/api/v1/doctor/tasks')).body as TaskMatrix;
    await until(async () => (await read()).tasks.length === 2, 'the sent task to be known');
    await until(async () => (await read()).groups[0]?.language === 'TypeScript', 'its event');
    expect(await read()).toMatchObject({
      groups: [{ workers: ['celery@here'], queues: ['celery'] }],
      tasks: [
        { task: 'shop.nobodys', problem: 'nobody', queues: ['else'], recent: 1 },
        { task: 'shop.add', problem: null, queues: ['celery'], cells: ['knows'] },
      ],
    });
  });
});

describe('what workers tell of themselves', () => {
  it('shows what a task takes and which serializers are read; a name may have a space', async () => {
    const app = await newApp('sqlite');
    app.task('send the mail', (to: string, copies: number) => `${to} ${copies}`);
    const ask = newDashboard(app);
    await startWorker(app);
    const read = async (): Promise<TaskMatrix> => (await ask('/api/v1/doctor/tasks')).body as TaskMatrix;
    await until(
      async () => (await read()).groups.some(({ accepts }) => accepts !== null),
      'the worker to tell',
    );
    const matrix = await read();
    expect(matrix.groups.map(({ accepts }) => accepts)).toEqual([['json']]);
    expect(matrix.tasks).toMatchObject([
      { task: 'send the mail', cells: ['knows'], signatures: ['(to, copies)'], problem: null },
    ]);
  });

  it('workers of one queue that take different arguments, or read different serializers, are a problem', () => {
    const one = { ...worker('a', ['add']), signatures: { add: '(a, b)' }, accepts: ['json'] };
    const two = { ...worker('b', ['add']), signatures: { add: '(a)' }, accepts: ['json', 'yaml'] };
    const python = { ...worker('c', ['add'], ['celery'], 'py-celery 5.5.0 Linux'), accepts: ['json'] };
    const matrix = matrixOf([one, two, python], { sent: null, queuesOf: new Map() });
    expect(matrix.tasks).toMatchObject([{ problem: 'signatures', signatures: ['(a, b)', '(a)', null] }]);
    expect(matrix.mixed).toEqual([
      {
        queue: 'celery',
        accepts: [
          { worker: 'a', serializers: ['json'] },
          { worker: 'b', serializers: ['json', 'yaml'] },
        ],
      },
    ]);
    const apart = [one, { ...two, queues: ['other'] }];
    expect(matrixOf(apart, { sent: null, queuesOf: new Map() })).toMatchObject({
      mixed: [],
      tasks: [{ problem: null }],
    });
  });
});
