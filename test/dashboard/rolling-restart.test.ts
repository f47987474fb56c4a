import { describe, expect, it } from 'vitest';
import { type RestartOrder, RollingRestart } from '../../src/dashboard/server/pages/rolling-restart.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Json } from '../../src/protocol/message.ts';
import type { Locks } from '../../src/stores/locks.ts';
import { newApp } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

/** Locks of a store that several dashboards share. */
function newLocks(): Locks {
  let owner: string | null = null;
  return {
    take: async ({ id }: { id: string }) => {
      owner ??= id;
      return owner === id ? null : owner;
    },
    extend: async () => undefined,
    owner: async () => owner,
    release: async (_: string, id: string) => {
      if (owner === id) owner = null;
    },
  } as unknown as Locks; // all that it asks for
}

/** Workers whose processes a supervisor starts again two seconds after their end, and what happens to them. */
function newFleet(
  names: readonly string[],
  { returns = (_: string): boolean => true, samePid = false, ends = 1, pool = 'umbel:async' } = {},
) {
  let ms = 1_000_000;
  const events: string[] = [];
  const startedAt = new Map(names.map((name) => [name, 0]));
  const pids = new Map(names.map((name, at) => [name, at + 1]));
  const changes: { readonly at: number; readonly change: () => void }[] = [];
  const leaving = new AbortController();
  const clock: Clock = {
    now: () => ms,
    monotonic: () => ms,
    after: () => () => undefined,
    sleep: async (each, signal) => {
      signal?.throwIfAborted();
      ms += each;
      for (const { change } of changes.filter(({ at }) => at <= ms)) change();
      for (let at = changes.length - 1; at >= 0; at--)
        if ((changes[at]?.at ?? 0) <= ms) changes.splice(at, 1);
    },
  };
  const control = {
    inspect: ({ destination: [name = ''] = [] }: { destination?: readonly string[] } = {}) => ({
      stats: async () => {
        const began = startedAt.get(name);
        const replies = new Map<string, Json>();
        if (began !== undefined)
          replies.set(name, {
            pid: pids.get(name) ?? 0,
            uptime: Math.floor((ms - began) / 1000),
            pool: pool === '' ? {} : { implementation: pool },
          });
        return { replies, silent: [] };
      },
    }),
    shutdown: async ({ destination: [name = ''] = [] }: { destination?: readonly string[] } = {}) => {
      events.push(`end ${name}`);
      changes.push({ at: ms + ends * 1000, change: () => startedAt.delete(name) });
      if (returns(name))
        changes.push({
          at: ms + (ends + 2) * 1000,
          change: () => {
            events.push(`begin ${name}`);
            startedAt.set(name, ms);
            if (!samePid) pids.set(name, (pids.get(name) ?? 0) + 100);
          },
        });
    },
  };
  /** Does not answer for so many seconds, because it is busy. */
  const silence = (name: string, seconds: number): void => {
    const began = startedAt.get(name) ?? 0;
    startedAt.delete(name);
    changes.push({ at: ms + seconds * 1000, change: () => startedAt.set(name, began) });
  };
  const locks = newLocks();
  const restart = (): RollingRestart =>
    new RollingRestart({
      control: control as never, // what it asks of workers
      clock,
      locks: async () => locks,
      signal: leaving.signal,
      onBack: () => void events.push('back'),
    });
  const order = (more: Partial<RestartOrder> = {}): RestartOrder => ({
    workers: names,
    patience: 60,
    by: 'ann',
    audit: async (name) => void events.push(`write ${name}`),
    ...more,
  });
  return { events, restart, order, leaving, startedAt, silence };
}

describe('a rolling restart', () => {
  it.each([
    false,
    true,
  ])('tells each worker only when the one before is back (in containers: %s)', async (samePid) => {
    const { events, restart, order } = newFleet(['a', 'b', 'c'], { samePid });
    const one = restart();
    expect(await one.start(order())).toBeNull();
    expect(one.status?.lines.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
    expect(await one.start(order())).toContain('runs already');
    expect(await restart().start(order())).toContain('another dashboard');
    await one.settled();
    expect(events).toEqual(
      ['a', 'b', 'c'].flatMap((name) => [`write ${name}`, `end ${name}`, `begin ${name}`, 'back']),
    );
    expect(one.status).toMatchObject({ state: 'done', problem: null, by: 'ann' });
    expect(one.status?.lines).toMatchObject([{ state: 'back' }, { state: 'back' }, { state: 'back' }]);
    expect(await restart().start(order())).toBeNull(); // the lock is free
  });

  it('stops with a sentence when one does not come back, and touches no other', async () => {
    const { events, restart, order } = newFleet(['a', 'b', 'c'], { returns: (name) => name !== 'b' });
    const one = restart();
    await one.start(order());
    await one.settled();
    expect(one.status).toMatchObject({
      state: 'stopped',
      problem: 'b did not come back within 60 s: start it. The others were not touched.',
      lines: [{ state: 'back' }, { state: 'failed' }, { state: 'waiting' }],
    });
    expect(events).not.toContain('end c');
  });

  it.each([
    '',
    'celery.concurrency.solo:TaskPool',
  ])("does not take a worker of Python's that still ends its tasks for one that is gone (pool: %s)", async (pool) => {
    const { events, restart, order } = newFleet(['a', 'b'], { returns: () => false, pool });
    const one = restart();
    await one.start(order());
    await one.settled();
    expect(one.status?.problem).toBe(
      "a did not come back within 60 s. A worker of Python's does not answer while it ends its tasks: if its process is gone, start it. The others were not touched.",
    );
    expect(events).not.toContain('end b');
  });

  it('waits for one that is busy at its turn, and gives up one that stays silent', async () => {
    for (const [seconds, state] of [
      [30, 'done'],
      [90, 'stopped'],
    ] as const) {
      const { events, restart, order, silence } = newFleet(['a', 'b']);
      const one = restart();
      await one.start(
        order({
          audit: async (name) => {
            events.push(`write ${name}`);
            if (name === 'a') silence('b', seconds);
          },
        }),
      );
      await one.settled();
      expect(one.status?.state, `${seconds} s`).toBe(state);
      expect(events.includes('end b')).toBe(state === 'done');
      if (state === 'stopped') expect(one.status?.problem).toContain('b has not answered for 60 s');
    }
  });

  it('says so when the tasks of one take longer', async () => {
    const { restart, order } = newFleet(['a', 'b'], { ends: 1_000 });
    const one = restart();
    await one.start(order());
    await one.settled();
    expect(one.status?.problem).toContain('a still runs after 60 s');
  });

  it('does not begin when one of them does not answer, and can begin then without it', async () => {
    const { events, restart, order, startedAt } = newFleet(['a', 'b']);
    startedAt.delete('b');
    expect(await restart().start(order())).toContain('b does not answer');
    expect(events).toEqual([]);
    const one = restart();
    expect(await one.start(order({ workers: ['a'] }))).toBeNull();
    await one.settled();
    expect(one.status?.state).toBe('done');
  });

  it.each<[string, (one: RollingRestart, leaving: AbortController) => unknown]>([
    ['by hand', (one) => one.stop()],
    ['because the dashboard closes', (_, leaving) => leaving.abort()],
  ])('stops %s: the workers that wait are not told', async (_, stop) => {
    const { events, restart, order, leaving } = newFleet(['a', 'b']);
    const one = restart();
    await one.start(
      order({
        audit: async () => {
          stop(one, leaving);
        },
      }),
    );
    await one.settled();
    expect(one.status).toMatchObject({ state: 'stopped', lines: [{}, { state: 'waiting' }] });
    expect(events).not.toContain('end b');
    expect(
      await newFleet(['a'])
        .restart()
        .start(order({ workers: ['a'] })),
    ).toBeNull();
  });

  it('stops when an action cannot be written to the audit log', async () => {
    const { events, restart, order } = newFleet(['a']);
    const one = restart();
    await one.start(order({ audit: () => Promise.reject(new Error('the log is full')) }));
    await one.settled();
    expect(one.status).toMatchObject({ state: 'stopped', problem: 'the log is full' });
    expect(events).toEqual([]);
  });

  it('over the pages: refused for workers that do not answer, and for absurd orders', async () => {
    const ask = newDashboard(await newApp('sqlite'));
    const post = (body: unknown) =>
      ask('/api/v1/restart', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await ask('/api/v1/restart')).body).toEqual({ restart: null });
    expect((await post({ workers: ['a@b'] })).status).toBe(409);
    for (const wrong of [{}, { workers: [] }, { workers: ['a', 'a'] }, { workers: ['a'], patience: 0 }])
      expect((await post(wrong)).status, JSON.stringify(wrong)).toBe(422);
  });
});
