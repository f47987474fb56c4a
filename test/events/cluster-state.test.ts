import { describe, expect, it } from 'vitest';
import { ClusterState } from '../../src/events/cluster-state.ts';
import type { WireEvent } from '../../src/protocol/event.ts';

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
