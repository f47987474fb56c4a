import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeFacts, type TaskFacts } from '../../src/history/facts.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { recordOf, type TaskRecord } from '../../src/history/record.ts';
import type { WireEvent } from '../../src/protocol/event.ts';
import { seed } from '../run/scale.ts';

let clock = 0;
function event(type: string, fields: Record<string, unknown> = {}): WireEvent {
  return {
    type,
    hostname: 'celery@a',
    timestamp: ++clock,
    utcoffset: 0,
    pid: 1,
    clock,
    uuid: 'id',
    ...fields,
  };
}

function factsOf(events: readonly WireEvent[]): TaskFacts {
  const all = events.map((each) => readTaskEvent(each)).filter((each) => each !== null);
  return all.reduce(mergeFacts);
}

function record(...events: WireEvent[]): TaskRecord {
  return recordOf(factsOf(events));
}

const began = 1_700_000_000;

describe('the record of a task', () => {
  it('has its whole life, of events in the form of Celery', () => {
    const life = record(
      event('task-sent', {
        hostname: 'gen1@web',
        timestamp: began,
        name: 'mail.send',
        queue: 'slow',
        routing_key: 'slow',
        args: "('a@b.c',)",
        kwargs: '{}',
        root_id: 'root',
        parent_id: 'parent',
        retries: 0,
      }),
      event('task-received', { timestamp: began + 2, name: 'mail.send', retries: 0, eta: null }),
      event('task-started', { timestamp: began + 2.5 }),
      event('task-succeeded', { timestamp: began + 3, result: "'ok'", runtime: 0.4 }),
    );
    expect(life).toMatchObject({
      id: 'id',
      name: 'mail.send',
      state: 'SUCCESS',
      args: null,
      argsRepr: "('a@b.c',)",
      queue: 'slow',
      routingKey: 'slow',
      priority: null,
      client: 'gen1@web',
      worker: 'celery@a',
      rootId: 'root',
      parentId: 'parent',
      groupId: null,
      sentAt: began * 1000,
      receivedAt: (began + 2) * 1000,
      startedAt: began * 1000 + 2500,
      endedAt: (began + 3) * 1000,
      waitMs: 2500,
      runtimeMs: 400,
      retries: 0,
      result: "'ok'",
      exception: null,
      eta: null,
    });
    expect(life.attempts).toHaveLength(1);
  });

  it('does not make up what nobody has said', () => {
    expect(record(event('task-succeeded'))).toMatchObject({
      name: null,
      args: null,
      argsRepr: null,
      queue: null,
      client: null,
      sentAt: null,
      receivedAt: null,
      startedAt: null,
      waitMs: null,
      runtimeMs: null,
      retries: null,
      attempts: [{ worker: 'celery@a', retries: null, state: 'SUCCESS' }],
    });
  });

  it('has each try with its worker and its error', () => {
    const { attempts, state, exception, retries } = record(
      event('task-received', { retries: 0 }),
      event('task-started', { timestamp: began }),
      event('task-retried', { timestamp: began + 1, exception: "OSError('away')", traceback: 'here' }),
      event('task-received', { hostname: 'celery@b', timestamp: began + 2, retries: 1 }),
      event('task-started', { hostname: 'celery@b', timestamp: began + 3 }),
      event('task-failed', { hostname: 'celery@b', timestamp: began + 5, exception: "OSError('still')" }),
    );
    expect(attempts).toMatchObject([
      { worker: 'celery@a', retries: 0, state: 'RETRY', runtimeMs: 1000, exception: "OSError('away')" },
      { worker: 'celery@b', retries: 1, state: 'FAILURE', runtimeMs: 2000, exception: "OSError('still')" },
    ]);
    expect({ state, exception, retries }).toEqual({
      state: 'FAILURE',
      exception: "OSError('still')",
      retries: 1,
    });
  });

  it('an attempt of a Python worker ends when it tells so, also if it has received the retry before', () => {
    const { attempts, state } = record(
      event('task-received', { retries: 0 }),
      event('task-started'),
      event('task-received', { retries: 1 }),
      event('task-retried', { exception: 'KeyError(3)', traceback: 'line 7' }),
      event('task-started'),
      event('task-failed', { exception: 'KeyError(4)' }),
    );
    expect(attempts).toMatchObject([
      { state: 'RETRY', retries: 0, runtimeMs: 2_000, exception: 'KeyError(3)', traceback: 'line 7' },
      { state: 'FAILURE', retries: 1, runtimeMs: 1_000, exception: 'KeyError(4)' },
    ]);
    expect(state).toBe('FAILURE');
  });

  it('shows a try whose worker died, and one that overlaps another', () => {
    const { attempts, state } = record(
      event('task-received'),
      event('task-started'),
      event('task-received', { hostname: 'celery@b' }),
      event('task-started', { hostname: 'celery@b' }),
      event('task-succeeded', { hostname: 'celery@a' }),
    );
    expect(attempts.map(({ worker, state }) => [worker, state])).toEqual([
      ['celery@a', 'SUCCESS'],
      ['celery@b', 'STARTED'],
    ]);
    expect(state).toBe('SUCCESS');
  });

  it.each([
    ['PENDING', ['sent']],
    ['RECEIVED', ['sent', 'received']],
    ['STARTED', ['received', 'started']],
    ['STARTED', ['received', 'progress']],
    ['RETRY', ['started', 'retried']],
    ['STARTED', ['started', 'retried', 'received', 'started']],
    ['SUCCESS', ['started', 'succeeded', 'received']],
    ['STARTED', ['started', 'failed', 'received', 'started']],
    ['RECEIVED', ['rejected', 'received']],
    ['REVOKED', ['received', 'revoked']],
  ])('is %s after %j', (state, types) => {
    expect(record(...types.map((type) => event(`task-${type}`))).state).toBe(state);
  });

  it('takes the arguments as JSON from our workers, with what else Celery has no word for', () => {
    const umbel = {
      args: [{ user: { id: 5 } }, 10n ** 20n],
      kwargs: { dry: true },
      group_id: 'g',
      chord_id: 'c',
      chain_left: 2,
      queue: 'slow',
      priority: 3,
      stamps: { customer: ['7'], tag: 'x' },
    };
    expect(record(event('task-received', { umbel }))).toMatchObject({
      args: [{ user: { id: 5 } }, '100000000000000000000'],
      kwargs: { dry: true },
      groupId: 'g',
      chordId: 'c',
      chainLeft: 2,
      queue: 'slow',
      priority: 3,
      stamps: { customer: ['7'], tag: ['x'] },
    });
  });

  it('has progress, ours and that of Python programs', () => {
    const { progress } = record(
      event('umbel-progress', { timestamp: began, progress: { done: 1 } }),
      event('task-progress', { timestamp: began + 1, percent: 50 }),
    );
    expect(progress).toEqual([
      { at: began * 1000, value: { done: 1 } },
      { at: (began + 1) * 1000, value: { percent: 50 } },
    ]);
  });

  it('reads whatever an event holds', () => {
    for (const strange of [
      event('worker-heartbeat'),
      event('task-sent', { uuid: 5 }),
      event('task-sent', { uuid: '' }),
      event('__proto__'),
    ])
      expect(readTaskEvent(strange)).toBeNull();
    const odd = event('task-failed', {
      hostname: '',
      timestamp: Number.MAX_VALUE,
      name: ['x'],
      args: 'a\0b\ud800',
      retries: '1',
      eta: 'soon',
      exception: 'x'.repeat(20_000),
      umbel: { args: {}, kwargs: [], stamps: 7, priority: Number.NaN },
    });
    const { argsRepr, exception, worker, eta } = record(odd);
    expect({ argsRepr, worker, eta }).toEqual({ argsRepr: 'a\ufffdb\ufffd', worker: null, eta: null });
    expect(exception).toHaveLength(10_000);
  });
});

describe('events in any order, any number of times, from several recorders', () => {
  const types = ['sent', 'received', 'started', 'progress', 'retried', 'failed', 'succeeded', 'revoked'];
  const anyEvent = fc
    .record({
      type: fc.constantFrom('umbel-log', ...types.map((type) => `task-${type}`)),
      hostname: fc.constantFrom('celery@a', 'celery@b'),
      timestamp: fc.integer({ min: 1, max: 30 }),
      clock: fc.integer({ min: 1, max: 30 }),
      fields: fc.record(
        {
          name: fc.constantFrom('add', 'mul'),
          args: fc.constantFrom('(1,)', '(2,)', '(...'),
          retries: fc.nat(3),
          queue: fc.constantFrom('q', 'slow'),
          exception: fc.constantFrom('E()', 'F()'),
          parent_id: fc.constantFrom('p', 'pp'),
        },
        { requiredKeys: [] },
      ),
    })
    .map(({ fields, ...rest }) => event(rest.type, { ...fields, ...rest }));

  it('are one record', () => {
    const cases = fc
      .array(anyEvent, { minLength: 1, maxLength: 120 })
      .chain((events) =>
        fc.tuple(
          fc.constant(events),
          fc.shuffledSubarray([...events, ...events], { minLength: 2 * events.length }),
          fc.nat(2 * events.length - 1),
        ),
      );
    fc.assert(
      fc.property(cases, ([events, told, at]) => {
        const once = factsOf(events);
        // Two recorders hear parts of it, and their stores are put together, one of them twice.
        const first = factsOf(told.slice(0, at + 1));
        const second = at + 1 < told.length ? factsOf(told.slice(at + 1)) : first;
        const together = mergeFacts(mergeFacts(second, first), first);
        expect(together).toEqual(once);
        expect(recordOf(together)).toEqual(recordOf(once));
      }),
      { seed, numRuns: 200 },
    );
  });

  it('take no more room than so many moments', () => {
    const many = Array.from({ length: 500 }, () => event('task-retried'));
    const as = (type: string): typeof many => many.map((each) => ({ ...each, type }));
    const { marks } = factsOf([...many, ...as('task-progress'), ...as('umbel-log')]);
    expect(marks.filter(({ kind }) => kind === 'log')).toHaveLength(50);
    expect(marks.filter(({ kind }) => kind === 'retried')).toHaveLength(64);
    expect(marks.filter(({ kind }) => kind === 'progress')).toHaveLength(16);
  });
});
