// The wall clock is moved under a running beat (by faketime): no storm, no silence. And a process that dies between the send and the note.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Program } from '../e2e/harness/program.ts';
import { needs } from '../needs.ts';
import { scaled } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { faultsOf, type SentRun, sentToRedis, sentToSqlite } from './sent-runs.ts';

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
const noFaketime = library === undefined ? 'no libfaketime (apt-get install faketime)' : undefined;
if (noFaketime !== undefined && process.env.CI) throw new Error(noFaketime);

const minuteMs = 60_000;

needs(test, noFaketime)(
  'a clock that jumps an hour or a year, forward and back, makes no storm and no silence',
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
    for (const jump of ['+3600', '+0', '+31536000', '+0', '-31536000', '+0']) {
      const before = (await sentToSqlite(path)).length;
      writeFileSync(clock, jump);
      /** What was sent since by the clock as it is now. */
      let runs: readonly SentRun[] = [];
      const made = (name: string): SentRun[] => runs.filter((run) => run.name === name);
      const onTime = (name: string): number =>
        made(name).filter(({ dueMs, madeMs }) => Math.abs(madeMs - dueMs) < minuteMs).length;
      // No silence: it goes on by the new time.
      await until(
        async () => {
          await sleep(100);
          const shown = Date.now() + 1000 * Number(jump);
          runs = (await sentToSqlite(path))
            .slice(before)
            .filter(({ madeMs }) => Math.abs(madeMs - shown) < 20 * minuteMs);
          return onTime('fast') >= scaled(5, 15) && onTime('one') >= scaled(2, 4);
        },
        () => `runs after ${jump}: ${JSON.stringify(runs)}`,
      );
      // No storm: by its own clock it has sent as often as the schedule says, and once for what it missed. A few more come by the
      // old time before it looks at the clock.
      for (const [name, ms] of [
        ['fast', 200],
        ['one', 1000],
      ] as const) {
        const times = made(name).map(({ madeMs }) => madeMs);
        const spanMs = Math.max(...times) - Math.min(...times);
        expect(times.length, `${name}, after ${jump}`).toBeLessThanOrEqual(spanMs / ms + 3);
      }
    }
    const runs = await sentToSqlite(path);
    expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
  },
);

needs(test, noRedis)(
  'a beat that dies between the send and the note of it: the next sends the run again, and it is refused',
  async () => {
    const server = await RedisServerProcess.shared();
    const settings = { BROKER: server.url(), ONLY: 'one,quiet-one', LEASE: '1' };
    for (let deaths = 0; deaths < 2; deaths++) {
      await using dying = new Program('test/beat/programs/beat.ts', { ...settings, DIE: 'between' });
      expect(await dying.exited).toEqual({ code: null, signal: 'SIGKILL' });
    }
    const before = sentToRedis(server).length;
    expect(before).toBeGreaterThanOrEqual(1);
    await using next = new Program('test/beat/programs/beat.ts', settings);
    await next.line('leading');
    await until(() => sentToRedis(server).length >= before + 8);
    process.kill(next.pid, 'SIGTERM');
    await next.exited;
    const runs = sentToRedis(server);
    for (const name of ['one', 'quiet-one']) {
      const since = Math.min(...runs.filter((run) => run.name === name).map(({ dueMs }) => dueMs)) - 1000;
      expect(faultsOf(runs, name, since, 1000)).toEqual([]);
    }
  },
);
