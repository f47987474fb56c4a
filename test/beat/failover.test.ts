// Three beats on one store; the leader is killed, stopped or cut off again and again. Each due run is sent once. In the long run, where
// they have the lease that is the default, another leads within five seconds.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Schedules } from '../../src/beat/beat.ts';
import { StoreError } from '../../src/errors.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { Program } from '../e2e/harness/program.ts';
import { needs } from '../needs.ts';
import { isLong, scaled, seed } from '../run/scale.ts';
import { randomFrom } from '../schedules/random-spec.ts';
import { FaultProxy } from '../servers/fault-proxy.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patienceMs, until } from '../until.ts';
import { intervalsMs } from './programs/schedules.ts';
import { faultsOf, type SentRun, sentToRedis, sentToSqlite } from './sent-runs.ts';

const longestTakeoverMs = 5000;
const lease = isLong ? '3' : '1.5';
const random = randomFrom(seed);
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
    await until(() => this.terms !== after && this.leader !== but, 'another who leads');
    return Date.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { program } of this.seats) await program[Symbol.asyncDispose]();
  }

  #start(broker: string): Program {
    return new Program('test/beat/programs/beat.ts', { BROKER: broker, LEASE: lease });
  }

  #listen(seat: Seat): void {
    const { program } = seat;
    const next = async (from: number): Promise<void> => {
      await program.line('leading', from, 3_600_000);
      this.leader = seat;
      this.terms++;
      await next(program.lines.length);
    };
    next(0).catch(() => {}); // it has ended
  }
}

interface Torture {
  readonly faults: readonly Fault[];
  readonly rounds: number;
  /** What was sent up to now. */
  readonly sent: () => Promise<SentRun[]>;
  /** Whether the one that was stopped holds up all others, as it was stopped in the middle of a write to the file. */
  readonly isHeld?: () => Promise<boolean>;
}

/** How long each takeover took, milliseconds. */
async function torture(beats: Beats, { faults, rounds, sent, isHeld }: Torture): Promise<number[]> {
  const takeovers: number[] = [];
  await beats.led(null, 0);
  for (let round = 0; round < rounds; round++) {
    await sleep(500 + random() * scaled(500, 4000)); // it comes at any moment
    const { leader: seat, terms } = beats;
    const fault = faults[round % faults.length] ?? 'killed';
    if (seat === null) throw new Error('nobody leads');
    const since = Date.now();
    if (fault === 'killed') {
      process.kill(seat.program.pid, 'SIGKILL');
      await seat.program.exited;
    } else if (fault === 'stopped') process.kill(seat.program.pid, 'SIGSTOP');
    else if (seat.proxy !== null) seat.proxy.weather = { silent: ['request', 'reply'] };
    if (fault === 'stopped' && (await isHeld?.())) {
      process.kill(seat.program.pid, 'SIGCONT');
      continue;
    }
    takeovers.push((await beats.led(seat, terms)) - since);
    await sleep(random() * scaled(300, 1000)); // and ends at any
    if (fault === 'killed') beats.restart(seat);
    else if (fault === 'stopped') process.kill(seat.program.pid, 'SIGCONT');
    else if (seat.proxy !== null) {
      seat.proxy.heal();
      seat.proxy.cut('reset');
    }
  }
  // Nobody falls silent.
  const last = Date.now();
  await until(async () => {
    await sleep(100);
    return (await sent()).filter(({ name, dueMs }) => name === 'one' && dueMs > last).length >= 2;
  }, 'runs after the last takeover');
  return takeovers;
}

async function verdict(
  broker: string,
  beats: Beats,
  { rounds, sent }: Torture,
  takeovers: readonly number[],
): Promise<void> {
  await beats[Symbol.asyncDispose]();
  const runs = await sent();
  await using app = new App('failover', { broker });
  await using schedules = await Schedules.open(app);
  const since = new Map((await schedules.list()).map((info) => [info.name, info.since.getTime()]));
  const faults = Object.entries(intervalsMs).flatMap(([name, ms]) =>
    faultsOf(runs, name, since.get(name) ?? 0, ms),
  );
  if (isLong)
    console.log(`${rounds} faults, ${runs.length} runs; takeovers up to ${Math.max(...takeovers)} ms`);
  expect(faults).toEqual([]);
  expect(runs.length).toBeGreaterThan(rounds * 10);
  expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
  if (isLong) expect(Math.max(...takeovers)).toBeLessThanOrEqual(longestTakeoverMs);
}

/** A process that is stopped while it writes to an SQLite file keeps the file's lock: nobody can write before it goes on, or is killed. */
async function isLocked(path: string): Promise<boolean> {
  const store = await SqliteStore.open(path, { shared: false }).catch((error: unknown) => {
    if (error instanceof StoreError && error.message.includes('database is locked')) return null;
    throw error;
  });
  if (store === null) return true;
  const written = store.write(false, () => false);
  const locked = await Promise.race([written.catch(() => true), sleep(500, true)]);
  void written.catch(() => {}).then(() => store.close());
  return locked;
}

const timeout = scaled(1.5 * patienceMs, 2_400_000);

test('embedded store: the leader killed or stopped: each due run is sent once, and another leads', {
  timeout,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-beat-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  const path = join(folder, 'store.db');
  const broker = `sqlite://${path}`;
  await using beats = new Beats();
  for (let n = 0; n < 3; n++) beats.add(broker, null);
  const faults: readonly Fault[] = ['killed', 'stopped'];
  const plan: Torture = {
    faults,
    rounds: scaled(faults.length, 100),
    sent: () => sentToSqlite(path),
    isHeld: () => isLocked(path),
  };
  await verdict(broker, beats, plan, await torture(beats, plan));
});

needs(test, noRedis)(
  'Redis: the leader killed, stopped or cut off: each due run is sent once, and another leads',
  { timeout },
  async () => {
    const server = await RedisServerProcess.shared();
    await using beats = new Beats();
    for (let n = 0; n < 3; n++) {
      const proxy = await FaultProxy.before(server.port);
      onTestFinished(() => proxy[Symbol.asyncDispose]());
      beats.add(server.url().replace(`:${server.port}/`, `:${proxy.port}/`), proxy);
    }
    const faults: readonly Fault[] = ['killed', 'stopped', 'cut off'];
    const plan: Torture = {
      faults,
      rounds: scaled(faults.length, 100),
      sent: async () => sentToRedis(server),
    };
    await verdict(server.url(), beats, plan, await torture(beats, plan));
  },
);
