import { expect, it } from 'vitest';
import { eventsIn } from '../../src/protocol/event.ts';

const received = {
  type: 'task-received',
  uuid: 'a',
  hostname: 'w@1',
  timestamp: 1.5,
  clock: 3,
  name: 'mail',
};
const filled = { utcoffset: 0, pid: 0 };

it('a brief event has the task and the node of the one before it', () => {
  const started = { type: 'task-started', timestamp: 2, clock: 4 };
  const ended = { type: 'task-succeeded', timestamp: 3, clock: 5, result: '1' };
  const same = { uuid: 'a', hostname: 'w@1', ...filled };
  expect(eventsIn(JSON.stringify([received, started, ended]))).toEqual([
    { ...received, ...filled },
    { ...started, ...same },
    { ...ended, ...same },
  ]);
});

it('a brief event tells when its task came and began, if it names that', () => {
  const arrived = { name: 'mail', queue: 'q', received: 1_500, started: 1_750 };
  const ended = { type: 'task-succeeded', uuid: 'a', hostname: 'w@1', timestamp: 3, clock: 5, result: '1' };
  const same = { uuid: 'a', hostname: 'w@1', clock: 5, ...filled };
  const before = { ...same, name: 'mail', retries: 0, umbel: { queue: 'q', attempt: 1 } };
  const log = { type: 'umbel-log', timestamp: 4, clock: 6 };
  expect(eventsIn(JSON.stringify([{ ...ended, arrived }, log]))).toEqual([
    { type: 'task-received', timestamp: 1.5, ...before },
    { type: 'task-started', timestamp: 1.75, ...same },
    { ...ended, ...filled },
    { ...log, uuid: 'a', hostname: 'w@1', ...filled },
  ]);
  const { started: _, ...waiting } = arrived;
  const alone = { ...ended, type: 'umbel-arrived', arrived: waiting };
  expect(eventsIn(JSON.stringify([alone]))).toEqual([{ type: 'task-received', timestamp: 1.5, ...before }]);
});

it('a whole event is as it is, and what is no event is left out', () => {
  const other = { ...received, uuid: 'b', hostname: 'w@2', utcoffset: -1, pid: 8 };
  expect(eventsIn(JSON.stringify([5, other, null, { uuid: 'c' }]))).toEqual([other]);
  const nameless = { type: 'task-started', hostname: '', timestamp: 0, utcoffset: 0, pid: 0, clock: 0 };
  expect(eventsIn('[{"type":"task-started"}]')).toEqual([nameless]);
  for (const text of ['', '[', '{}', 'null', '[[]]']) expect(eventsIn(text)).toEqual([]);
});

it('tasks that came, began and succeeded are told in one event, by times after its own', () => {
  const about = { type: 'umbel-ended', hostname: 'w@1', timestamp: 1.5, name: 'mail', queue: 'q' };
  const ends = [['a', -2, 0, 250, 1_500, 7], 5, ['b', 1, 2, 3, 4, 8, "'text'"]];
  const events = eventsIn(JSON.stringify([{ ...about, ends }]));
  const same = { uuid: 'a', hostname: 'w@1', clock: 7, ...filled };
  const umbel = { queue: 'q', attempt: 1 };
  expect(events.slice(0, 3)).toEqual([
    { ...same, type: 'task-received', timestamp: 1.498, name: 'mail', retries: 0, umbel },
    { ...same, type: 'task-started', timestamp: 1.5 },
    { ...same, type: 'task-succeeded', timestamp: 1.75, result: 'None', runtime: 0.0015 },
  ]);
  expect(events.slice(3)).toMatchObject([{ uuid: 'b' }, { uuid: 'b' }, { uuid: 'b', result: "'text'" }]);
  const whole = { args: '(1,)', umbel: { queue: 'q', attempt: 2 }, retries: 1 };
  const [first, , last] = eventsIn(JSON.stringify([{ ...about, ends: [['a', 0, 0, 0, 1, 7, null, whole]] }]));
  expect(first).toMatchObject({ ...whole, type: 'task-received', uuid: 'a', root_id: 'a', name: 'mail' });
  expect(last).toMatchObject({ type: 'task-succeeded', result: 'None' });
  for (const none of [undefined, 'a', {}])
    expect(eventsIn(JSON.stringify([{ ...about, ends: none }]))).toEqual([]);
});
