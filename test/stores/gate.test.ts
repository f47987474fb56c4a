// How many tries a server costs that is away: one connection of a process feels its way for all.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AmqpLink } from '../../src/stores/amqp/client/link.ts';
import { amqpSettings } from '../../src/stores/amqp/client/settings.ts';
import { type ConnectionAttempt, Gate } from '../../src/stores/gate.ts';
import { PostgresListener } from '../../src/stores/postgres/client/listener.ts';
import { PostgresPool } from '../../src/stores/postgres/client/pool.ts';
import { postgresSettings } from '../../src/stores/postgres/client/settings.ts';
import { RedisConnection } from '../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../src/stores/redis/client/settings.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { patienceMs, until } from '../until.ts';

function wayOf<T>(
  clock: FakeClock,
  reach: () => Promise<T>,
  more: Partial<ConnectionAttempt<T>> = {},
): ConnectionAttempt<T> {
  const pause = (ms: number, signal: AbortSignal): Promise<void> => clock.sleep(ms, signal);
  return { reach, whyAway: String, report: () => undefined, pause, ...more };
}

/** So many connections of a process, at a server that is away until `server.up` is set. */
function connections(count: number, clock: FakeClock, server = { up: false }) {
  const gate = new Gate(clock);
  const tries: number[] = [];
  const reasons = new Set<string>();
  let connected = 0;
  const keepTrying = async (): Promise<void> => {
    const { signal } = new AbortController();
    const reach = async (): Promise<void> => {
      tries.push(clock.monotonic());
      if (!server.up) throw new Error('ECONNREFUSED');
    };
    const way = wayOf(clock, reach, { report: (reason) => reasons.add(reason) });
    for (;;) {
      try {
        await gate.attempt(way, signal);
        connected++;
        return;
      } catch {
        // Once more.
      }
    }
  };
  const all = Promise.all(Array.from({ length: count }, keepTrying));
  return { server, tries, reasons, all, connected: () => connected };
}

describe('a server that is away', () => {
  test('is tried by one connection for all, never more than two seconds apart; when it is back all are, each with one more try', async () => {
    const clock = new FakeClock();
    const { server, tries, reasons, all, connected } = connections(12, clock);
    await until(() => tries.length === 12);
    await clock.advance(600_000);
    // The first try of each, and then about one a second for all of them together.
    const later = tries.slice(12);
    expect(tries.slice(0, 12)).toEqual(Array.from({ length: 12 }, () => 0));
    expect(later.length).toBeGreaterThan(300);
    expect(later.length).toBeLessThan(900);
    const gaps = later.map((at, n) => at - (n === 0 ? 0 : (later[n - 1] ?? 0)));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2000);
    expect([...reasons]).toEqual(['Error: ECONNREFUSED']);
    server.up = true;
    const before = tries.length;
    await clock.advance(2000);
    await all;
    expect(connected()).toBe(12);
    expect(tries.length - before).toBe(12);
    expect(new Set(tries.slice(before)).size).toBe(1);
  });

  test('that comes back is met by a fleet little by little, and soon by all of it', async () => {
    const clock = new FakeClock();
    const server = { up: false };
    const fleet = Array.from({ length: 200 }, () => connections(8, clock, server));
    await nextTurn(); // the first tries of all
    await clock.advance(8000);
    server.up = true;
    const from = clock.monotonic();
    await clock.advance(2000);
    await Promise.all(fleet.map(({ all }) => all));
    const tenths = new Map<number, number>();
    for (const at of fleet.flatMap(({ tries }) => tries.filter((time) => time > from))) {
      const tenth = Math.floor((at - from) / 100);
      tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1);
    }
    const most = Math.max(...tenths.values());
    expect([...tenths.values()].reduce((sum, each) => sum + each)).toBe(200 * 8);
    // Evenly spread these would be 80.
    expect(most).toBeLessThan(320);
  });

  test('is tried by another when the one that tries is closed', async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const [first, second] = [new AbortController(), new AbortController()];
    const fails = wayOf(clock, () => Promise.reject(new Error('away')));
    await expect(gate.attempt(fails, first.signal)).rejects.toThrow('away');
    const trying = gate.attempt(fails, first.signal);
    const waiting = gate.attempt(
      wayOf(clock, async () => 'there'),
      second.signal,
    );
    await nextTurn();
    first.abort(new Error('closed'));
    await expect(trying).rejects.toThrow('closed');
    await nextTurn();
    await clock.advance(2000);
    expect(await waiting).toBe('there');
  });

  test('is waited for in pauses of each connection alone, so that one of which nothing is awaited keeps no process', async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const end = new AbortController();
    const paused: string[] = [];
    const pausing = (who: string): ConnectionAttempt<never> =>
      wayOf(clock, () => Promise.reject(new Error('away')), {
        pause: (ms, signal) => {
          paused.push(who);
          return clock.sleep(ms, signal);
        },
      });
    await expect(gate.attempt(pausing('first'), end.signal)).rejects.toThrow('away');
    const all = ['one that tries', 'one that waits'].map((who) => gate.attempt(pausing(who), end.signal));
    const ended = Promise.allSettled(all);
    await nextTurn();
    expect(paused).toEqual(['one that tries', 'one that waits']);
    end.abort(new Error('closed'));
    expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('that refuses something of one connection does not keep the others', async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { signal } = new AbortController();
    const refuses = (): Promise<never> => Promise.reject(new Error('ERR DB index is out of range'));
    await expect(gate.attempt(wayOf(clock, refuses, { whyAway: () => null }), signal)).rejects.toThrow(
      'ERR DB',
    );
    const there = wayOf(clock, async () => 'there');
    expect(await gate.attempt(there, signal)).toBe('there');
  });

  test('is tried by one of all connections to it, whatever their database; each knows why it waits: Redis', async () => {
    const held = await server((tries) => tries <= 10);
    const open = (url: string): Promise<RedisConnection> =>
      RedisConnection.open(redisSettings(url, 'broker', { socketConnectTimeout: 600 }));
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, db) => open(`redis://127.0.0.1:${held.port}/${db}`)),
    );
    await isTriedByOne(held, async ({ port }) => {
      const one = await open(`redis://127.0.0.1:${port}/0`);
      return () => one.close();
    });
    expect(all.filter(({ state }) => state.connected || state.reason === null)).toEqual([]);
    await Promise.all(all.map((connection) => connection.close()));
  });

  test('is tried by one of all connections to it; each knows why it waits: RabbitMQ', async () => {
    const held = await server((tries) => tries <= 10);
    const open = (port: number): AmqpLink =>
      new AmqpLink(amqpSettings(`amqp://127.0.0.1:${port}//`, 'broker', { connectionTimeout: 600 }));
    const all = Array.from({ length: 10 }, () => open(held.port));
    await isTriedByOne(held, async ({ port }) => {
      const one = open(port);
      return () => one.close();
    });
    expect(all.filter(({ state }) => state.state === 'connected' || state.reason === null)).toEqual([]);
    held.end();
    await Promise.all(all.map((link) => link.close()));
  });

  test('is tried by one of all that ask it something, and who gives up says why: PostgreSQL', async () => {
    const settings = ({ port }: { port: number }) =>
      postgresSettings(`postgresql://umbel@127.0.0.1:${port}/umbel`, 'results', {
        poolSize: 9,
        connectTimeout: 600,
      });
    const held = await server((tries) => tries <= 10);
    const pool = await PostgresPool.open(settings(held));
    const listener = new PostgresListener(settings(held), 'news', {
      onNotify: () => undefined,
      onGap: () => undefined,
    });
    const listening = listener.listen();
    const soon = performance.now() + patienceMs;
    const asked = Array.from({ length: 9 }, () => pool.query('SELECT 1', [], soon));
    const all = Promise.allSettled([listening, ...asked]);
    await isTriedByOne(held, async (other) => {
      const one = await PostgresPool.open(settings(other));
      const end = new AbortController();
      const asking = one.query('SELECT 1', [], soon).catch(() => end.abort());
      return async () => {
        other.end();
        await one.close();
        await asking;
      };
    });
    const hurried = pool.query('SELECT 1', [], performance.now() + 50);
    await expect(hurried).rejects.toThrow(/cannot be reached: .*(terminated|ECONN|closed)/);
    held.end();
    await Promise.all([pool.close(), listener.close()]);
    await all;
  });
});

/** After the first tries, which are cut off, one more is made and hears nothing; in the time of many tries of one that has a server of its own. */
async function isTriedByOne(
  held: { tries(): number },
  keepTrying: (other: Awaited<ReturnType<typeof server>>) => Promise<() => Promise<unknown>>,
): Promise<void> {
  const other = await server(() => true);
  await until(() => held.tries() === 11);
  const stop = await keepTrying(other);
  await until(() => other.tries() >= 8);
  expect(held.tries()).toBe(11);
  await stop();
}

/** A server that is none: it closes a connection at once, or says nothing on it. */
async function server(closes: (tries: number) => boolean) {
  const sockets: Socket[] = [];
  const listening = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (closes(sockets.length)) socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const address = listening.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  };
  onTestFinished(end);
  return { port, tries: () => sockets.length, end };
}
