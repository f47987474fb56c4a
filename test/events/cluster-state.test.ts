import { describe, expect, it } from 'vitest';
import { ClusterState } from '../../src/events/cluster-state.ts';
import type { WireEvent } from '../../src/protocol/event.ts';
import { randomFrom } from '../schedules/random-spec.ts';

let clock = 0;
const event = (type: string, fields: Record<string, unknown> = {}): WireEvent => ({
  type,
  hostname: 'celery@a',
  timestamp: ++clock,
  utcoffset: 0,
  pid: 1,
  clock,
  ...fields,
});

describe('the state of a cluster', () => {
  it('follows a task from its sending to its end', () => {
    const state = new ClusterState();
    state.add(event('task-sent', { uuid: 'a', name: 'add', queue: 'q', hostname: 'gen1@b' }));
    expect(state.task('a')).toMatchObject({ state: 'PENDING', client: 'gen1@b', worker: null, queue: 'q' });
    state.add(event('task-received', { uuid: 'a', name: 'add', args: '(1,)', retries: 0 }));
    state.add(event('task-started', { uuid: 'a' }));
    state.add(event('task-succeeded', { uuid: 'a', result: '3', runtime: 0.5 }));
    expect(state.task('a')).toMatchObject({
      state: 'SUCCESS',
      worker: 'celery@a',
      args: '(1,)',
      result: '3',
      runtime: 0.5,
      queue: 'q',
      sent: expect.any(Number),
      started: expect.any(Number),
    });
  });

  it('is not undone by an event that comes late', () => {
    const state = new ClusterState();
    state.add(event('task-succeeded', { uuid: 'a', result: '3' }));
    state.add(event('task-received', { uuid: 'a', name: 'add' }));
    expect(state.task('a')).toMatchObject({ state: 'SUCCESS', name: 'add' });
  });

  it('begins again with a retry', () => {
    const state = new ClusterState();
    for (const type of ['task-started', 'task-retried', 'task-received', 'task-failed'])
      state.add(event(type, { uuid: 'a' }));
    expect(state.task('a')?.state).toBe('FAILURE');
    state.add(event('task-retried', { uuid: 'b' }));
    state.add(event('task-started', { uuid: 'b' }));
    expect(state.task('b')?.state).toBe('STARTED');
  });

  it('knows which workers live, by their heartbeats and their own word', () => {
    const state = new ClusterState();
    state.add(event('worker-online', { freq: 2, active: 0, processed: 0, loadavg: [1, 2, 3] }), 1000);
    state.add(event('worker-heartbeat', { hostname: 'celery@b', freq: 2, active: 1, processed: 7 }), 1000);
    const alive = (now: number): string[] => state.aliveWorkers(now).map(({ hostname }) => hostname);
    expect(alive(4000)).toEqual(['celery@a', 'celery@b']);
    expect(alive(5001)).toEqual([]);
    state.add(event('task-started', { uuid: 'x', hostname: 'celery@b' }), 5001);
    expect(alive(5001)).toEqual(['celery@b']);
    state.add(event('worker-offline', { hostname: 'celery@b', freq: 2 }), 5002);
    expect(alive(5002)).toEqual([]);
    expect(state.worker('celery@b')).toMatchObject({ active: 1, processed: 7, offline: true });
  });

  it('forgets first the tasks that it heard of least lately', () => {
    const state = new ClusterState({ maxTasks: 2 });
    for (const uuid of ['a', 'b']) state.add(event('task-received', { uuid }));
    state.add(event('task-started', { uuid: 'a' }));
    state.add(event('task-received', { uuid: 'c' }));
    expect(state.tasks().map(({ uuid }) => uuid)).toEqual(['c', 'a']);
  });

  it('never takes more than it may, however big its tasks are', () => {
    const state = new ClusterState({ maxBytes: 100_000 });
    for (let n = 0; n < 500; n++)
      state.add(event('task-received', { uuid: `t${n}`, args: 'x'.repeat(n % 2 === 0 ? 5000 : 10) }));
    expect(state.bytes).toBeLessThanOrEqual(100_000);
    expect(state.taskCount).toBeGreaterThan(5);
    expect(state.task('t499')).toBeDefined();
    state.add(event('task-received', { uuid: 'huge', args: 'x'.repeat(10_000_000) }));
    expect(state.task('huge')?.args).toHaveLength(10_000);
    state.add(event('task-received', { uuid: 'far', hostname: 'x'.repeat(1_000_000) }));
    state.add(event(`task-${'x'.repeat(1_000_000)}`, { uuid: 'odd' }));
    expect(state.task('far')?.worker).toHaveLength(10_000);
    expect(state.task('odd')?.state).toHaveLength(512);
    state.add(event('worker-online', { hostname: 'x'.repeat(1_000_000) }));
    state.add(event('worker-online', { sw_ident: 'x'.repeat(1_000_000), loadavg: Array(10_000).fill(1) }));
    expect(state.workers).toHaveLength(1);
    expect(JSON.stringify(state.workers).length).toBeLessThan(1000);
    state.clear();
    expect(state.bytes).toBe(0);
  });

  it('holds once what many tasks have in common, and drops it with the last of them', () => {
    const long = (of: string): string => of.repeat(500);
    const state = new ClusterState({ maxTasks: 1_000 });
    const tell = (n: number, of: string): void => {
      const uuid = `01a1fdea-afea-704d-89bb-${String(n).padStart(12, '0')}`;
      const more = { name: long(of), queue: long(`${of}q`), hostname: long(`${of}w`), root_id: uuid };
      state.add(event('task-received', { uuid, ...more }));
      state.add(event('task-succeeded', { uuid, ...more, runtime: 0.1 }));
    };
    for (let n = 0; n < 1_000; n++) tell(n, 'a');
    expect(state.bytes).toBeLessThan(400 * 1_000);
    expect(state.task(`01a1fdea-afea-704d-89bb-${'7'.padStart(12, '0')}`)).toMatchObject({
      name: long('a'),
      worker: long('aw'),
      rootId: expect.stringMatching(/7$/),
    });
    const before = state.bytes;
    for (let n = 1_000; n < 2_000; n++) tell(n, 'b');
    expect(state.bytes).toBe(before);
    expect(state.taskTypes()).toEqual([long('b')]);
    for (let n = 2_000; n < 10_000; n++) tell(n, `c${n} `);
    expect(state.taskCount).toBe(1_000);
    expect(state.taskTypes()).toHaveLength(1_000);
    for (let n = 10_000; n < 11_000; n++) tell(n, 'a');
    expect(state.bytes).toBe(before);
  });

  it('keeps their order when tasks come, change and go', () => {
    const state = new ClusterState({ maxTasks: 3 });
    const order: string[] = [];
    const random = randomFrom(7);
    for (let n = 0; n < 500; n++) {
      const uuid = `t${Math.floor(random() * 6)}`;
      state.add(event('task-received', { uuid, name: uuid }));
      if (order.includes(uuid)) order.splice(order.indexOf(uuid), 1);
      order.unshift(uuid);
      order.length = Math.min(order.length, 3);
      expect(state.tasks().map((task) => task.uuid)).toEqual(order);
      expect(state.tasks({ name: uuid, limit: 1 })).toMatchObject([{ uuid }]);
      expect(state.taskCount).toBe(order.length);
    }
  });

  it('lists by name, worker and state', () => {
    const state = new ClusterState();
    state.add(event('task-received', { uuid: 'a', name: 'add' }));
    state.add(event('task-received', { uuid: 'b', name: 'mul', hostname: 'celery@b' }));
    state.add(event('task-failed', { uuid: 'c', name: 'add', exception: 'ValueError()' }));
    expect(state.tasks({ name: 'add' }).map(({ uuid }) => uuid)).toEqual(['c', 'a']);
    expect(state.tasks({ worker: 'celery@b' })).toHaveLength(1);
    expect(state.tasksByTime({ state: 'FAILURE', limit: 1 })).toMatchObject([{ exception: 'ValueError()' }]);
    expect(state.taskTypes()).toEqual(['add', 'mul']);
  });

  it('takes events of any content without harm', () => {
    const state = new ClusterState();
    const odd: readonly unknown[] = [null, 1, '', {}, [], Number.NaN, 'x'.repeat(1000), { length: 1 }, true];
    for (const uuid of odd)
      for (const type of ['task-received', 'task-nonsense', 'worker-heartbeat', 'worker-', 'task', '-'])
        state.add(
          event(type, { uuid, freq: uuid, loadavg: uuid, args: uuid, runtime: uuid, sw_ident: uuid }),
        );
    expect(state.tasks().every(({ uuid }) => typeof uuid === 'string')).toBe(true);
    expect(state.eventCount).toBe(odd.length * 6);
  });
});
