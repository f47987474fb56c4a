import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type LimitPage, type LockPage, linesOf } from '../../src/dashboard/server/pages/limits.ts';
import { until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { newDashboard } from './bench.ts';

const post = (body: object): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('limits and locks over the pages', () => {
  it('no lock of Umbel’s own: that of a rolling restart is neither shown nor released', async () => {
    const app = await newApp('sqlite');
    const locks = await (await app.broker()).openLocks?.();
    const lock = { key: 'workers:rolling-restart', id: 'ann 1', ttlMs: 60_000, replace: false };
    expect(await locks?.take(lock)).toBeNull();
    const ask = newDashboard(app);
    expect((await ask('/api/v1/locks')).body).toEqual({ locks: [], more: false });
    const released = await ask('/api/v1/locks/release', post({ key: lock.key, id: lock.id }));
    expect([released.status, released.text]).toEqual([
      422,
      expect.stringContaining('no lock of a unique task'),
    ]);
    expect(await locks?.owner(lock.key)).toBe('ann 1');
  });

  it('who runs in a limit, on which worker since when, and who waits', async () => {
    const app = await newApp('sqlite');
    const leaving = new AbortController();
    const mail = app.task('shop.mail', { concurrency: { limit: 1, key: 0 } }, async (_to: string) => {
      if (!leaving.signal.aborted) await once(leaving.signal, 'abort');
    });
    const ask = newDashboard(app);
    const read = async (): Promise<LimitPage> => (await ask('/api/v1/limits')).body as LimitPage;
    expect(await read()).toMatchObject({
      limits: [{ kind: 'concurrency', name: 'shop.mail', limit: 1, of: ['shop.mail'], inUse: 0 }],
      hasRules: true,
      more: false,
    });
    const { id } = await mail.delay('ann');
    await startWorker(app, { concurrency: 2 });
    const second = async (): Promise<void> => {
      await mail.delay('ann');
      await until(async () => (await read()).limits?.[0]?.waiting === 1, 'the second to wait');
    };
    await until(async () => (await read()).limits?.[0]?.inUse === 1, 'the first to run');
    await second();
    // The dashboard asks workers for what they run every few seconds only.
    await until(async () => (await read()).limits?.[0]?.holders[0]?.worker !== null, 'the worker to tell');
    expect((await read()).limits).toMatchObject([
      {
        name: 'shop.mail',
        value: 'ann',
        limit: 1,
        inUse: 1,
        holders: [{ id, worker: 'celery@here', task: 'shop.mail', startedAt: expect.any(Number) }],
        waiting: 1,
        waiters: [{ queue: 'celery', sinceAt: expect.any(Number) }],
      },
    ]);
    leaving.abort();
    await until(async () => (await read()).limits?.[0]?.inUse === 0, 'both to end');
  });

  it('locks of unique tasks, which can be released', async () => {
    const app = await newApp('sqlite');
    const report = app.task('shop.report', { unique: { key: 0 } }, (_month: string) => undefined);
    const ask = newDashboard(app);
    const { id } = await report.delay('May');
    const read = async (): Promise<LockPage> => (await ask('/api/v1/locks')).body as LockPage;
    const [lock] = (await read()).locks ?? [];
    expect(lock).toMatchObject({ task: 'shop.report', value: 'May', id, sentAt: expect.any(Number) });
    const key = lock?.key ?? '';
    expect((await ask('/api/v1/locks/release', post({ key: 'run:x:1', id }))).status).toBe(422);
    expect((await ask('/api/v1/locks/release', post({ key, id: 'another' }))).body).toEqual({
      released: false,
    });
    await expect(report.delay('May')).rejects.toThrow('May');
    expect((await ask('/api/v1/locks/release', post({ key, id }))).body).toEqual({ released: true });
    expect(await read()).toEqual({ locks: [], more: false });
    await report.delay('May');
  });

  it('stores that keep neither say so', async () => {
    const app = await newApp('sqlite');
    const missing = { readLimits: undefined, openLocks: undefined };
    Object.assign(await app.broker(), missing);
    Object.assign((await app.backend()) ?? {}, missing);
    const ask = newDashboard(app);
    expect((await ask('/api/v1/limits')).body).toMatchObject({ limits: null });
    expect((await ask('/api/v1/locks')).body).toMatchObject({ locks: null });
    expect((await ask('/api/v1/locks/release', post({ key: 'a|b', id: 'c' }))).status).toBe(409);
  });
});

it('limits: the rule is found by the name of the counter, also if names hold the separator', () => {
  const use = (key: string, more: object = {}) => ({
    key,
    inUse: 1,
    holders: ['x'],
    waiting: 0,
    waiters: [],
    rate: null,
    ...more,
  });
  const rule = (kind: 'concurrency' | 'rate', name: string, limit: number) =>
    [`${kind} ${name}`, { kind, name, limit, of: [name] }] as const;
  const lines = linesOf(
    {
      uses: [use('a|b|c'), use('d|e', { inUse: 0, rate: { nextMs: 5, reserved: 2 } }), use('unknown|1|2')],
      more: false,
      overrides: [
        { kind: 'rate', name: 'd', limit: null },
        { kind: 'concurrency', name: 'idle', limit: 3 },
      ],
    },
    new Map([rule('concurrency', 'a|b', 5), rule('rate', 'd', 2), rule('concurrency', 'd', 7)]),
    new Map(),
  );
  expect(lines).toMatchObject([
    { kind: 'concurrency', name: 'a|b', value: 'c', limit: 5, override: null, holders: [{ worker: null }] },
    { kind: 'rate', name: 'd', value: 'e', override: 'none', nextAt: 5, reserved: 2, inUse: 0 },
    { kind: 'concurrency', name: 'unknown', value: '1|2', limit: null },
    { kind: 'concurrency', name: 'd', value: null, limit: 7, inUse: 0 },
    { kind: 'concurrency', name: 'idle', limit: 3, override: 'set' },
  ]);
});
