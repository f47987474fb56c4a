// How many tries a server costs that is away: one connection of a process feels its way for all.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { RedisConnection } from '../../src/clients/redis/connection.ts';
import { Gate } from '../../src/clients/redis/gate.ts';
import { redisSettings } from '../../src/clients/redis/settings.ts';
import { FakeClock } from '../../src/testing/fake-clock.ts';
import { until } from '../until.ts';

const away = (error: unknown): string => String(error);

/** So many connections of a process, at a server that is away until `server.up` is set. */
function connections(count: number, clock: FakeClock) {
  const server = { up: false };
  const gate = new Gate(clock);
  const tries: number[] = [];
  const reasons = new Set<string>();
  let connected = 0;
  const keepTrying = async (): Promise<void> => {
    const { signal } = new AbortController();
    for (;;) {
      try {
        await gate.attempt(
          async () => {
            tries.push(clock.monotonic());
            if (!server.up) throw new Error('ECONNREFUSED');
          },
          away,
          (reason) => reasons.add(reason),
          signal,
        );
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

  test('is tried by another when the one that tries is closed', async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const [first, second] = [new AbortController(), new AbortController()];
    const fails = (): Promise<never> => Promise.reject(new Error('away'));
    await expect(gate.attempt(fails, away, () => undefined, first.signal)).rejects.toThrow('away');
    const trying = gate.attempt(fails, away, () => undefined, first.signal);
    const waiting = gate.attempt(
      async () => 'there',
      away,
      () => undefined,
      second.signal,
    );
    await nextTurn();
    first.abort(new Error('closed'));
    await expect(trying).rejects.toThrow('closed');
    await nextTurn();
    await clock.advance(2000);
    expect(await waiting).toBe('there');
  });

  test('that refuses something of one connection does not keep the others', async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { signal } = new AbortController();
    const refused = gate.attempt(
      () => Promise.reject(new Error('ERR DB index is out of range')),
      () => null,
      () => undefined,
      signal,
    );
    await expect(refused).rejects.toThrow('ERR DB');
    expect(
      await gate.attempt(
        async () => 'there',
        away,
        () => undefined,
        signal,
      ),
    ).toBe('there');
  });

  test('is tried by one of all connections to it, whatever their database; each knows why it waits', async () => {
    // The first try of each is cut off, and the one that follows hears nothing.
    const held = await server((tries) => tries <= 10);
    const other = await server(() => true);
    const open = (url: string): Promise<RedisConnection> =>
      RedisConnection.open(redisSettings(url, 'broker', { socketConnectTimeout: 600 }));
    const all = await Promise.all(Array.from({ length: 10 }, (_, db) => open(`${held.url}/${db}`)));
    await until(() => held.tries() === 11);
    // In the time of so many tries of one that has a server of its own, nine would have tried, too.
    const one = await open(other.url);
    await until(() => other.tries() >= 8);
    expect(held.tries()).toBe(11);
    expect(all.filter(({ state }) => state.connected || state.reason === null)).toEqual([]);
    await Promise.all([...all, one].map((connection) => connection.close()));
  });
});

/** A server that is none: it closes a connection at once, or says nothing on it. */
async function server(closes: (tries: number) => boolean) {
  const sockets: Socket[] = [];
  const listening = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (closes(sockets.length)) socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  const address = listening.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `redis://127.0.0.1:${port}`, tries: () => sockets.length };
}
