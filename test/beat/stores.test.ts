// The contract of a store of schedules, on each of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openMemoryScheduleStore } from '../../src/stores/memory/memory-schedules.ts';
import { openPostgresScheduleStore } from '../../src/stores/postgres/postgres-schedules.ts';
import { openRedisScheduleStore } from '../../src/stores/redis/redis-schedules.ts';
import type { RunRecord, ScheduleStore } from '../../src/stores/schedule-store.ts';
import { openSqliteScheduleStore } from '../../src/stores/sqlite/sqlite-schedules.ts';
import { needs } from '../needs.ts';
import { scaled } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-beat-stores-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

let redis: Promise<RedisServerProcess> | null = null;
let postgres: Promise<PostgresServerProcess> | null = null;

const stores: readonly {
  name: string;
  missing?: string | undefined;
  open(app: string): Promise<ScheduleStore>;
}[] = [
  { name: 'memory', open: async (app) => openMemoryScheduleStore('stores', app) },
  { name: 'sqlite', open: (app) => openSqliteScheduleStore(join(folder, 'store.db'), app) },
  {
    name: 'redis',
    missing: noRedis,
    open: async (app) => {
      redis ??= RedisServerProcess.shared();
      return openRedisScheduleStore((await redis).url(), app, { keyPrefix: 'there:' });
    },
  },
  {
    name: 'postgres',
    missing: noPostgres,
    open: async (app) => {
      postgres ??= PostgresServerProcess.shared();
      return openPostgresScheduleStore((await postgres).url(), app);
    },
  },
];

const runAt = (untilMs: number, more: Partial<RunRecord> = {}): RunRecord => ({
  name: 'one',
  dueMs: untilMs,
  untilMs,
  atMs: untilMs + 1,
  outcome: 'sent',
  taskId: `task|${untilMs}`,
  detail: null,
  ...more,
});

let apps = 0;
/** Entries of a large book. */
const count = scaled(500, 2000);

describe.each(stores)('schedules in $name', ({ missing, open }) => {
  const it = needs(test, missing);
  const own = (): Promise<ScheduleStore> => open(`app ${apps++}`);

  it('the first who asks leads, the second only looks', async () => {
    await using store = await own();
    const first = await store.lead('a', null);
    expect(first).toMatchObject({ holder: 'a', fence: 1, beats: 0 });
    expect(await store.lead('b', null)).toMatchObject({ holder: 'a', fence: 1, beats: 0 });
    expect(await store.lead('a', null)).toMatchObject({ holder: 'a', fence: 1, beats: 1 });
  });

  it('a lead that still is as it was seen can be taken over, one that was renewed cannot', async () => {
    await using store = await own();
    const seen = await store.lead('a', null);
    await store.lead('a', null);
    expect(await store.lead('b', seen)).toMatchObject({ holder: 'a' });
    const again = await store.lead('b', null);
    expect(await store.lead('b', again)).toMatchObject({ holder: 'b', fence: 2, beats: 0 });
    expect(await store.lead('a', null)).toMatchObject({ holder: 'b', fence: 2 });
  });

  it('who resigns is followed at once, and nobody resigns for another', async () => {
    await using store = await own();
    await store.lead('a', null);
    await store.resign('b');
    expect(await store.lead('b', null)).toMatchObject({ holder: 'a' });
    await store.resign('a');
    expect(await store.lead('b', null)).toMatchObject({ holder: 'b', fence: 2 });
  });

  it('of two who take over at the same time one leads', async () => {
    await using store = await own();
    const seen = await store.lead('a', null);
    const leads = await Promise.all(['b', 'c', 'd'].map((holder) => store.lead(holder, seen)));
    expect(new Set(leads.map(({ holder }) => holder)).size).toBe(1);
    expect(leads[0]?.fence).toBe(2);
  });

  it('tells the time', async () => {
    await using store = await own();
    const before = Date.now();
    const { nowMs } = await store.lead('a', null);
    const now = await store.now();
    expect(nowMs).toBeGreaterThanOrEqual(before - 5);
    expect(now).toBeGreaterThanOrEqual(nowMs);
    expect(now).toBeLessThanOrEqual(Date.now() + 5);
  });

  it('an entry is created once, and changed by who has seen its latest form', async () => {
    await using store = await own();
    expect(await store.put('one', 'a', null)).toBe(true);
    expect(await store.put('one', 'b', null)).toBe(false);
    const entry = await store.get('one');
    expect(entry).toMatchObject({ name: 'one', text: 'a', state: { lastDueMs: null, sent: 0 } });
    expect(await store.put('one', 'c', entry?.revision ?? null)).toBe(true);
    expect(await store.put('one', 'd', entry?.revision ?? null)).toBe(false);
    expect((await store.get('one'))?.text).toBe('c');
    expect(await store.get('two')).toBeUndefined();
  });

  it('of ten who change an entry at the same time one does', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const revision = (await store.get('one'))?.revision ?? null;
    const done = await Promise.all(
      Array.from({ length: 10 }, (_, n) => store.put('one', `text ${n}`, revision)),
    );
    expect(done.filter(Boolean)).toHaveLength(1);
  });

  it('tells what has changed since a revision, and everything after something was deleted', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    await store.put('two', 'b', null);
    const all = await store.changes(null);
    expect(all.complete).toBe(true);
    expect(all.entries.map(({ name }) => name).sort()).toEqual(['one', 'two']);
    expect(await store.changes(all.revision)).toEqual({
      revision: all.revision,
      entries: [],
      complete: false,
    });
    await store.put('three', 'c', null);
    const more = await store.changes(all.revision);
    expect(more.entries.map(({ name, text }) => [name, text])).toEqual([['three', 'c']]);
    expect((await store.lead('a', null)).revision).toBe(more.revision);
    expect(await store.remove('one')).toBe(true);
    expect(await store.remove('one')).toBe(false);
    const after = await store.changes(more.revision);
    expect(after.complete).toBe(true);
    expect(after.entries.map(({ name }) => name).sort()).toEqual(['three', 'two']);
    expect((await store.changes(after.revision)).complete).toBe(false);
  });

  it('the runs of an entry do not change the book', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const { fence, revision } = await store.lead('a', null);
    await store.record(fence, [runAt(1000)]);
    expect((await store.lead('a', null)).revision).toBe(revision);
  });

  it('keeps what became of runs, newest first, and how far the schedule is', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const { fence } = await store.lead('a', null);
    const skipped = runAt(3000, { dueMs: 2000, outcome: 'skipped', taskId: null, detail: 'missed' });
    expect(await store.record(fence, [runAt(1000), skipped])).toBe('recorded');
    expect((await store.get('one'))?.state).toEqual({
      lastDueMs: 3000,
      lastRunMs: 1001,
      lastTaskId: 'task|1000',
      sent: 1,
      anchorMs: null,
    });
    expect(await store.history('one', 10)).toEqual([skipped, runAt(1000)]);
    expect(await store.history('one', 1)).toEqual([skipped]);
    expect(await store.history('two', 10)).toEqual([]);
  });

  it('a run that is settled already is ignored', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const { fence } = await store.lead('a', null);
    await store.record(fence, [runAt(2000), runAt(2000), runAt(1000)]);
    expect(await store.history('one', 10)).toEqual([runAt(2000)]);
    expect((await store.get('one'))?.state.sent).toBe(1);
  });

  it('who no longer leads can record nothing', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const seen = await store.lead('a', null);
    await store.lead('b', seen);
    expect(await store.record(seen.fence, [runAt(1000)])).toBe('fenced');
    expect(await store.history('one', 10)).toEqual([]);
    expect((await store.get('one'))?.state.lastDueMs).toBeNull();
  });

  it('a run beside the schedule counts and does not move it', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const manual = runAt(1000, { outcome: 'manual' });
    expect(await store.record(null, [manual])).toBe('recorded');
    expect((await store.get('one'))?.state).toMatchObject({
      lastDueMs: null,
      lastTaskId: 'task|1000',
      sent: 1,
    });
    expect(await store.history('one', 10)).toEqual([manual]);
  });

  it('a clock that was set back moves a schedule back; a change takes the anchor away', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const { fence } = await store.lead('a', null);
    await store.record(fence, [runAt(9000), runAt(4000, { outcome: 'moved', taskId: null })]);
    expect((await store.get('one'))?.state).toMatchObject({ lastDueMs: 4000, anchorMs: 4000, sent: 1 });
    const revision = (await store.get('one'))?.revision ?? null;
    await store.put('one', 'b', revision);
    expect((await store.get('one'))?.state).toMatchObject({ lastDueMs: 4000, anchorMs: null, sent: 1 });
  });

  it('keeps the latest fifty records of each schedule', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    await store.put('two', 'a', null);
    const { fence } = await store.lead('a', null);
    await store.record(
      fence,
      Array.from({ length: 70 }, (_, n) => runAt(1000 + n)),
    );
    await store.record(fence, [runAt(5000, { name: 'two' })]);
    const history = await store.history('one', 100);
    expect(history).toHaveLength(50);
    expect(history[0]?.untilMs).toBe(1069);
    expect(await store.history('two', 100)).toHaveLength(1);
    expect((await store.get('one'))?.state.sent).toBe(70);
  });

  it('with an entry go its state and its history', async () => {
    await using store = await own();
    await store.put('one', 'a', null);
    const { fence } = await store.lead('a', null);
    await store.record(fence, [runAt(1000)]);
    await store.remove('one');
    await store.record(fence, [runAt(2000)]);
    expect(await store.history('one', 10)).toEqual([]);
    await store.put('one', 'b', null);
    expect((await store.get('one'))?.state).toMatchObject({ lastDueMs: null, sent: 0 });
    expect(await store.history('one', 10)).toEqual([]);
  });

  it('two applications share a store and know nothing of each other', async () => {
    await using one = await own();
    await using two = await own();
    await one.put('one', 'a', null);
    expect(await two.get('one')).toBeUndefined();
    expect((await two.changes(null)).entries).toEqual([]);
    expect(await one.lead('a', null)).toMatchObject({ holder: 'a' });
    expect(await two.lead('b', null)).toMatchObject({ holder: 'b' });
  });

  it('names and texts are kept as they are', async () => {
    await using store = await own();
    const name = `a:b|c "ü" 🌱 '; --`;
    const text = '{"v":1,"x":"\\u0000 | ü"}';
    expect(await store.put(name, text, null)).toBe(true);
    const { fence } = await store.lead('a|b', null);
    const run = runAt(1000, { name, detail: 'ü|"' });
    await store.record(fence, [run]);
    expect(await store.get(name)).toMatchObject({ name, text, state: { lastTaskId: 'task|1000' } });
    expect(await store.history(name, 1)).toEqual([run]);
  });

  it(`${count} entries are read at once`, async () => {
    await using store = await own();
    // Writers of one application wait for each other.
    for (let from = 0; from < count; from += 10) {
      const names = Array.from({ length: 10 }, (_, n) => `entry ${from + n}`);
      await Promise.all(names.map((name) => store.put(name, 'text', null)));
    }
    const { entries, revision } = await store.changes(null);
    expect(entries).toHaveLength(count);
    expect(revision).toBe(count);
    const { fence } = await store.lead('a', null);
    const runs = entries.map(({ name }) => runAt(1000, { name }));
    expect(await store.record(fence, runs)).toBe('recorded');
    expect((await store.changes(null)).entries.every(({ state }) => state.lastDueMs === 1000)).toBe(true);
  });
});

needs(test, noPostgres)(
  'whoever waited in PostgreSQL for another to take the lead is told of that one',
  async () => {
    await using server = await PostgresServerProcess.shared();
    await using store = await openPostgresScheduleStore(server.url(), 'raced');
    const seen = await store.lead('a', null);
    // One transaction: it holds the row while it sleeps.
    const taking = server.sql(
      `UPDATE umbel.beat_lead SET holder = 'b', fence = 2, beats = 0 WHERE app = 'raced'; SELECT pg_sleep(0.5)`,
    );
    await until(async () => {
      const asleep = await server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
      return asleep.length > 0;
    }, 'the row to be held');
    expect(await store.lead('c', seen)).toMatchObject({ holder: 'b', fence: 2, beats: 0 });
    await taking;
  },
);
