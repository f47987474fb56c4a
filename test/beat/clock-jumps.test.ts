// The wall clock is moved under a running beat (by faketime): no storm, no silence. And a process that dies between the send and the note.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Program } from '../e2e/harness/program.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { faultsOf, sentToRedis, sentToSqlite } from './sent-runs.ts';

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
const noFaketime = library === undefined ? 'no libfaketime (apt-get install faketime)' : undefined;
if (noFaketime !== undefined && process.env.CI) throw new Error(noFaketime);

/** How long it is watched after each jump. */
const watchMs = 3000;

needs(test, noFaketime)(
  'a clock that jumps an hour or a year, forward and back, makes no storm and no silence',
  {
    timeout: 90_000,
  },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'umbel-jump-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
    const path = join(folder, 'store.db');
    const clock = join(folder, 'clock');
    writeFileSync(clock, '+0');
    await using beat = new Program('test/beat/programs/beat.ts', {
      BROKER: `sqlite://${path}`,
      ONLY: 'fast,one',
      MISSED: 'last',
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    });
    await beat.line('leading');
    const counts = async (): Promise<Record<string, number>> => {
      const runs = await sentToSqlite(path);
      return {
        fast: runs.filter(({ name }) => name === 'fast').length,
        one: runs.filter(({ name }) => name === 'one').length,
      };
    };
    for (const jump of ['+3600', '+0', '+31536000', '+0', '-31536000', '+0']) {
      writeFileSync(clock, jump);
      // Until the beat has looked at the clock again.
      await sleep(1000);
      const before = await counts();
      const start = performance.now();
      await sleep(watchMs);
      const after = await counts();
      const seconds = (performance.now() - start) / 1000;
      const sent = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
      expect(sent('fast'), `fast, after ${jump}`).toBeGreaterThan(seconds * 5 * 0.7);
      expect(sent('fast'), `fast, after ${jump}`).toBeLessThan(seconds * 5 * 1.2 + 2);
      expect(sent('one'), `one, after ${jump}`).toBeGreaterThanOrEqual(Math.floor(seconds) - 2);
      expect(sent('one'), `one, after ${jump}`).toBeLessThanOrEqual(Math.ceil(seconds) + 2);
    }
    const runs = await sentToSqlite(path);
    expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
  },
);

needs(test, noRedis)(
  'a beat that dies between the send and the note of it: the next sends the run again, and it is refused',
  {
    timeout: 60_000,
  },
  async () => {
    await using server = await RedisServerProcess.start();
    const settings = { BROKER: server.url(), ONLY: 'one,quiet-one' };
    for (let deaths = 0; deaths < 2; deaths++) {
      await using dying = new Program('test/beat/programs/beat.ts', { ...settings, DIE: 'between' });
      expect(await dying.exited).toEqual({ code: null, signal: 'SIGKILL' });
    }
    expect(sentToRedis(server).length).toBeGreaterThanOrEqual(1);
    await using next = new Program('test/beat/programs/beat.ts', settings);
    await next.line('leading');
    await sleep(2000);
    process.kill(next.pid, 'SIGTERM');
    await next.exited;
    const runs = sentToRedis(server);
    for (const name of ['one', 'quiet-one']) {
      const since = Math.min(...runs.filter((run) => run.name === name).map(({ dueMs }) => dueMs)) - 1000;
      expect(faultsOf(runs, name, since, 1000)).toEqual([]);
    }
    expect(runs.length).toBeGreaterThan(10);
  },
);
