// Three beats on one store; the leader is killed, stopped or cut off again and again. Each due run is sent once. BEAT_ROUNDS: how often
// (default 3; the long proof 100).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Schedules } from '../../src/beat/beat.ts';
import { SqliteStore } from '../../src/clients/sqlite.ts';
import { Program } from '../e2e/harness/program.ts';
import { needs } from '../needs.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { intervalsMs } from './programs/schedules.ts';
import { faultsOf, type SentRun, sentToRedis, sentToSqlite } from './sent-runs.ts';

const rounds = Number(process.env.BEAT_ROUNDS ?? 3);
const longestTakeoverMs = 5000;
type Fault = 'killed' | 'stopped' | 'cut off';

interface Seat {
  readonly broker: string;
  readonly proxy: FaultProxy | null;
  program: Program;
}

class Beats implements AsyncDisposable {
  readonly seats: Seat[] = [];
  /** Who said last that it leads, and how often anybody did. */
  leader: Seat | null = null;
  terms = 0;
  readonly #waiting = new Set<() => void>();

  add(broker: string, proxy: FaultProxy | null): void {
    const seat: Seat = { broker, proxy, program: this.#start(broker) };
    this.seats.push(seat);
    this.#listen(seat);
  }

  restart(seat: Seat): void {
    seat.program = this.#start(seat.broker);
    this.#listen(seat);
  }

  /** Waits for the next term, of another than `but`. */
  async led(but: Seat | null, after: number): Promise<number> {
    const deadline = Date.now() + 20_000;
    while (this.terms === after || this.leader === but) {
      if (Date.now() > deadline) throw new Error('nobody leads');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return Date.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { program } of this.seats) await program[Symbol.asyncDispose]();
  }

  #start(broker: string): Program {
    return new Program('test/beat/programs/beat.ts', { BROKER: broker });
  }

  #listen(seat: Seat): void {
    const { program } = seat;
    const next = async (from: number): Promise<void> => {
      await program.line('leading', from, 3_600_000);
      this.leader = seat;
      this.terms++;
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
      await next(program.lines.length);
    };
    next(0).catch(() => {}); // it has ended
  }
}

/** `isHeld`: whether the one that was stopped holds up all others, as it was stopped in the middle of a write to the file. */
async function torture(
  beats: Beats,
  faults: readonly Fault[],
  isHeld: () => Promise<boolean> = async () => false,
): Promise<number[]> {
  const takeovers: number[] = [];
  await beats.led(null, 0);
  for (let round = 0; round < rounds; round++) {
    await sleep(rounds <= 5 ? 1000 : 500 + Math.random() * 4000);
    const { leader: seat, terms } = beats;
    const fault = faults[round % faults.length] ?? 'killed';
    if (seat === null) throw new Error('nobody leads');
    const since = Date.now();
    if (fault === 'killed') {
      process.kill(seat.program.pid, 'SIGKILL');
      await seat.program.exited;
    } else if (fault === 'stopped') process.kill(seat.program.pid, 'SIGSTOP');
    else if (seat.proxy !== null) seat.proxy.weather = { silent: ['request', 'reply'] };
    if (fault === 'stopped' && (await isHeld())) {
      process.kill(seat.program.pid, 'SIGCONT');
      continue;
    }
    takeovers.push((await beats.led(seat, terms)) - since);
    await sleep(Math.random() * 1000);
    if (fault === 'killed') beats.restart(seat);
    else if (fault === 'stopped') process.kill(seat.program.pid, 'SIGCONT');
    else if (seat.proxy !== null) {
      seat.proxy.heal();
      seat.proxy.cut('reset');
    }
  }
  await sleep(2000);
  return takeovers;
}

async function verdict(
  broker: string,
  beats: Beats,
  takeovers: readonly number[],
  read: () => Promise<SentRun[]>,
): Promise<void> {
  await beats[Symbol.asyncDispose]();
  const runs = await read();
  await using app = new App('failover', { broker });
  await using schedules = await Schedules.open(app);
  const since = new Map((await schedules.list()).map((info) => [info.name, info.since.getTime()]));
  const faults = Object.entries(intervalsMs).flatMap(([name, ms]) =>
    faultsOf(runs, name, since.get(name) ?? 0, ms),
  );
  if (rounds > 5)
    console.log(`${rounds} faults, ${runs.length} runs; takeovers up to ${Math.max(...takeovers)} ms`);
  expect(faults).toEqual([]);
  // Nobody fell silent: the last run is as late as the end.
  const latest = Math.max(...runs.map(({ dueMs }) => dueMs));
  expect(Math.max(...runs.map(({ madeMs }) => madeMs)) - latest).toBeLessThan(longestTakeoverMs);
  expect(runs.length).toBeGreaterThan(rounds * 10);
  expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
  expect(Math.max(...takeovers)).toBeLessThanOrEqual(longestTakeoverMs);
}

/** A process that is stopped while it writes to an SQLite file keeps the file's lock: nobody can write before it goes on, or is killed. */
async function isLocked(path: string): Promise<boolean> {
  const store = await SqliteStore.open(path, { shared: false });
  const written = store.write(false, () => false);
  const locked = await Promise.race([written.catch(() => true), sleep(500, true)]);
  void written.catch(() => {}).then(() => store.close());
  return locked;
}

const timeout = 60_000 + rounds * 20_000;

test(`embedded store: the leader killed or stopped ${rounds} times: each due run is sent once, and another leads within 5 s`, {
  timeout,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-beat-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const path = join(folder, 'store.db');
  const broker = `sqlite://${path}`;
  await using beats = new Beats();
  for (let n = 0; n < 3; n++) beats.add(broker, null);
  const takeovers = await torture(beats, ['killed', 'stopped'], () => isLocked(path));
  await verdict(broker, beats, takeovers, () => sentToSqlite(path));
});

needs(test, noRedis)(
  `Redis: the leader killed, stopped or cut off ${rounds} times: each due run is sent once, and another leads within 5 s`,
  { timeout },
  async () => {
    await using server = await RedisServerProcess.start();
    await using beats = new Beats();
    for (let n = 0; n < 3; n++) {
      const proxy = await FaultProxy.before(server.port);
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      beats.add(`redis://127.0.0.1:${proxy.port}/0`, proxy);
    }
    const takeovers = await torture(beats, ['killed', 'stopped', 'cut off']);
    await verdict(server.url(), beats, takeovers, async () => sentToRedis(server));
  },
);
