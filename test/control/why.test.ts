import { describe, expect, it, onTestFinished } from 'vitest';
import { Control } from '../../src/control/control.ts';
import { explain, type WhyAnswer, type WhyFacts } from '../../src/control/why.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';

const now = new Date('2026-11-23T03:12:00Z');
const later = new Date(now.getTime() + 60_000);
const before = new Date(now.getTime() - 60_000);
const serving = { name: 'celery@a', queues: ['slow'], tasks: ['mail'] };
const elsewhere = { name: 'celery@b', queues: ['celery'], tasks: ['mail'] };
const waiting = {
  queue: 'slow',
  position: 7,
  due: null,
  task: 'mail',
  retries: 0,
  eta: null,
  expires: null,
};
const history = {
  state: 'PENDING',
  task: 'mail',
  queue: 'slow',
  worker: null,
  startedAt: null,
  endedAt: null,
  error: null,
} as const;
const nothing: WhyFacts = {
  id: 'the-task',
  broker: 'redis://localhost/0',
  now,
  record: null,
  held: null,
  waiting: null,
  canPeek: true,
  dead: null,
  revoked: false,
  history: null,
  members: [],
  pauses: [],
  workers: [serving],
  silent: [],
  running: [],
  route: null,
  outRate: null,
};

function why(facts: Partial<WhyFacts>): unknown {
  const { text, id, ...obstacle } = explain({ ...nothing, ...facts });
  expect(id).toBe('the-task');
  expect(text).not.toMatch(/undefined|null|\[object/);
  return obstacle;
}

describe('the answer to why', () => {
  const answers: readonly (readonly [string, Partial<WhyFacts>, object])[] = [
    ['it was never sent', {}, { kind: 'never-sent' }],
    [
      'a worker runs it',
      { held: { worker: 'celery@a', running: true, since: before, eta: null }, waiting },
      { kind: 'running', worker: 'celery@a', since: before },
    ],
    [
      'a worker holds it',
      { held: { worker: 'celery@a', running: false, since: null, eta: null } },
      { kind: 'reserved', worker: 'celery@a' },
    ],
    [
      'a worker holds it until its eta',
      {
        held: { worker: 'celery@a', running: false, since: null, eta: { queue: 'slow', due: later } },
        history: { ...history, state: 'RECEIVED', worker: 'celery@a' },
      },
      { kind: 'eta', queue: 'slow', due: later, worker: 'celery@a' },
    ],
    [
      'it has ended, by its result',
      {
        record: {
          status: 'FAILURE',
          result: { exc_type: 'OSError', exc_message: ['away'] },
          dateDone: before,
        },
      },
      { kind: 'ended', state: 'FAILURE', at: before, error: 'OSError: away' },
    ],
    [
      'it has ended, by the history',
      { history: { ...history, state: 'SUCCESS', endedAt: before } },
      { kind: 'ended', state: 'SUCCESS', at: before, error: null },
    ],
    [
      'it was sent again after its end',
      { record: { status: 'FAILURE', result: null, dateDone: before }, waiting },
      { kind: 'behind', queue: 'slow', position: 7, seconds: null },
    ],
    [
      'it is a dead letter',
      {
        dead: { id: 3, reason: 'rejected', detail: 'no', diedAt: before },
        record: { status: 'FAILURE', result: null, dateDone: before },
      },
      { kind: 'dead', deadLetter: 3, reason: 'rejected', diedAt: before },
    ],
    ['it was revoked', { waiting, revoked: true }, { kind: 'revoked' }],
    ['it has expired', { waiting: { ...waiting, expires: before } }, { kind: 'expired', at: before }],
    [
      'its eta is to come',
      { waiting: { ...waiting, due: later, eta: later } },
      { kind: 'eta', queue: 'slow', due: later, worker: null },
    ],
    [
      'it is tried again later',
      {
        waiting: { ...waiting, due: later, eta: later, retries: 1 },
        history: { ...history, error: 'OSError()' },
      },
      { kind: 'retry', queue: 'slow', due: later, error: 'OSError()' },
    ],
    [
      'a limit holds it back',
      { waiting: { ...waiting, due: later }, running: ['celery@a'] },
      { kind: 'limit', queue: 'slow', due: later, holders: ['celery@a'] },
    ],
    [
      'a worker that does not know it has deferred it',
      { waiting: { ...waiting, due: later, task: 'other' } },
      { kind: 'unknown-task', queue: 'slow', workers: ['celery@a'] },
    ],
    [
      'no worker serves its queue',
      { waiting, workers: [elsewhere], route: { queue: 'slow', rule: 'taskRoutes' } },
      { kind: 'no-worker', queue: 'slow', workers: ['celery@b'] },
    ],
    ['there are no workers', { waiting, workers: [] }, { kind: 'no-worker', queue: 'slow', workers: [] }],
    [
      'its workers do not know it',
      { waiting: { ...waiting, task: 'other' }, workers: [serving, elsewhere] },
      { kind: 'unknown-task', queue: 'slow', workers: ['celery@a'] },
    ],
    [
      'others come before it',
      { waiting, outRate: 2 },
      { kind: 'behind', queue: 'slow', position: 7, seconds: 4 },
    ],
    [
      'it is next',
      { waiting: { ...waiting, position: 0 } },
      { kind: 'behind', queue: 'slow', position: 0, seconds: null },
    ],
    [
      'a worker that does not answer may serve its queue',
      { waiting, workers: [], silent: ['celery@a'] },
      { kind: 'behind', queue: 'slow', position: 7, seconds: null },
    ],
    [
      'its worker does not answer',
      {
        history: { ...history, state: 'STARTED', worker: 'celery@a', startedAt: before },
        workers: [],
        silent: ['celery@a'],
      },
      { kind: 'running', worker: 'celery@a', since: before },
    ],
    [
      'its worker has died',
      { history: { ...history, state: 'STARTED', worker: 'celery@gone', startedAt: before } },
      { kind: 'worker-lost', worker: 'celery@gone', since: before },
    ],
    [
      'its chord waits for members',
      { members: ['a', 'b', 'c'].map((id) => ({ id, ended: id === 'b' })) },
      { kind: 'chord', missing: ['a', 'c'], open: 2, total: 3 },
    ],
    [
      'the broker does not show its message',
      { canPeek: false, history },
      { kind: 'behind', queue: 'slow', position: null, seconds: null },
    ],
    [
      'only its record is known, and its route',
      {
        record: { status: 'PENDING', result: null, dateDone: null },
        route: { queue: 'other', rule: 'taskRoutes' },
      },
      { kind: 'no-worker', queue: 'other', workers: ['celery@a'] },
    ],
    [
      'its queue is paused',
      {
        waiting,
        pauses: [{ kind: 'queue', name: 'slow', since: before, by: 'ann', reason: 'moving' }],
        workers: [],
      },
      { kind: 'paused', what: 'queue', name: 'slow', since: before, by: 'ann', reason: 'moving' },
    ],
    [
      'its task is paused, and a worker has put it back',
      {
        waiting: { ...waiting, due: later },
        pauses: [{ kind: 'task', name: 'mail', since: before, by: 'ann', reason: '' }],
      },
      { kind: 'paused', what: 'task', name: 'mail', since: before, by: 'ann', reason: '' },
    ],
    [
      'its queue is paused, where messages cannot be seen',
      {
        history,
        canPeek: false,
        pauses: [{ kind: 'queue', name: 'slow', since: before, by: 'ann', reason: '' }],
      },
      { kind: 'paused', what: 'queue', name: 'slow', since: before, by: 'ann', reason: '' },
    ],
    [
      'something else is paused',
      { waiting, pauses: [{ kind: 'task', name: 'slow', since: before, by: 'ann', reason: '' }] },
      { kind: 'behind', queue: 'slow', position: 7, seconds: null },
    ],
  ];
  it.each(answers)('%s', (_, facts, answer) => {
    expect(why(facts)).toEqual(answer);
  });
});

describe('why, with workers', () => {
  it('follows a task from its queue to its end', async () => {
    const app = await newApp('sqlite');
    const work = app.task('work', () => 'done');
    const control = new Control(app);
    onTestFinished(() => control[Symbol.asyncDispose]());
    /** A worker that is slow to answer does so the next time. */
    const answer = async (id: string, kind: WhyAnswer['kind']): Promise<WhyAnswer> => {
      let last: WhyAnswer | null = null;
      await until(async () => {
        last = await control.why(id, { timeout: 0.3 });
        return last.kind === kind;
      }, `${kind}`);
      return last ?? expect.fail('no answer');
    };
    await startWorker(app);
    const slow = await work.applyAsync([], { queue: 'slow' });
    expect(await answer(slow.id, 'no-worker')).toMatchObject({
      queue: 'slow',
      workers: ['celery@here'],
      text: expect.stringContaining('umbel worker -Q slow'),
    });
    const future = await work.applyAsync([], { countdown: 3600 });
    expect(await answer(future.id, 'eta')).toMatchObject({ queue: 'celery' });
    await control.revoke(slow.id, { timeout: 0.3 });
    await answer(slow.id, 'revoked');
    const ended = await work.delay();
    await ended.get(patience);
    expect(await answer(ended.id, 'ended')).toMatchObject({ state: 'SUCCESS' });
    const strange = await app.send('nobody.knows', []);
    await answer(strange.id, 'unknown-task');
    expect(await answer('nobody', 'never-sent')).toMatchObject({
      text: expect.stringMatching(/to this broker \(sqlite:\/\/\S+ in \//),
    });
  });
});
