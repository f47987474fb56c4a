// How claims, blocking reads and what is done with what they brought come together, each order of events made by hand.
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { RedisConnection } from '../../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { CommandBatcher } from '../../../src/stores/redis/command-batcher.ts';
import { HandoffFlags } from '../../../src/stores/redis/handoff-flags.ts';
import { takenKey } from '../../../src/stores/redis/keys.ts';
import { maxReadMs } from '../../../src/stores/redis/read-time.ts';
import { openRedisTransport, RedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { luaScript } from '../../../src/stores/redis/scripts.ts';
import { claim, idOf, publication } from '../../../src/testing/conformance.ts';
import { needs } from '../../needs.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs, until } from '../../until.ts';
import { luaFile } from './lua-file.ts';

needs(describe, noRedis)('claims and blocking reads on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('of two claims under way, what the second brings comes to a claim that has gone to sleep', async () => {
    server.cli('FLUSHALL');
    const connection = await RedisConnection.open(redisSettings(server.url(), 'broker', {}));
    await using sender = await openRedisTransport(server.url(), { queues: [], driver: {} });
    await using transport = new RedisTransport(connection, [], systemClock);
    const slots = 16;
    await using consumer = await transport.consume({
      queues: ['celery'],
      name: 'test',
      leaseMs: 15_000,
      slots,
    });
    await sender.publish(Array.from({ length: slots }, (_, n) => publication(`first-${n}`)));
    // It brings all that it asked for: from now on two claims take turns.
    expect(await claim(consumer, slots)).toHaveLength(slots);

    // Blocking reads begin when the second claim has been answered: they would bring the message, too.
    let answered = (): void => undefined;
    const second = new Promise<void>((resolve) => (answered = resolve));
    const { call } = RedisConnection.prototype;
    const reads = vi.spyOn(RedisConnection.prototype, 'call').mockImplementation(async function (
      this: RedisConnection,
      args,
      options,
    ) {
      if (args[0] === 'BLMOVE') await second;
      return call.call(this, args, options);
    });
    const run = connection.run.bind(connection);
    let claims = 0;
    let empty: Promise<unknown> | null = null;
    connection.run = async (script, keys, args, options) => {
      if (script.name !== 'batch' || !args.includes('C') || ++claims > 2)
        return run(script, keys, args, options);
      if (claims === 1) {
        empty = run(script, keys, args, options);
        return empty;
      }
      await empty;
      await until(() => reads.mock.calls.length > 0); // the first was empty: the consumer waits
      await sender.publish([publication('second')]);
      const reply = await run(script, keys, args, options);
      setImmediate(answered);
      return reply;
    };
    try {
      const came = await consumer.claim(() => slots, AbortSignal.timeout(patienceMs));
      expect(came.map(idOf)).toEqual(['second']);
      expect(claims).toBe(2);
      for (const delivery of came) await delivery.settle({ kind: 'ack' });
    } finally {
      reads.mockRestore();
    }
  });

  it('a message for which there is no room any more goes back, also if the server refuses to write at that moment', async () => {
    server.cli('FLUSHALL');
    const refuse = (replicas: number): string =>
      server.cli('CONFIG', 'SET', 'min-replicas-to-write', String(replicas));
    const connection = await RedisConnection.open(redisSettings(server.url(), 'broker', {}));
    await using sender = await openRedisTransport(server.url(), { queues: [], driver: {} });
    await using transport = new RedisTransport(connection, [], systemClock);
    await using busy = await transport.consume({ queues: ['celery'], name: 'busy', leaseMs: 15_000 });
    await sender.publish([publication('a')]);

    const run = connection.run.bind(connection);
    let room = 1;
    let refused = 0;
    connection.run = async (script, keys, args, options) => {
      try {
        const reply = await run(script, keys, args, options);
        if (script.name === 'batch' && args.includes('C') && Array.isArray(reply) && Number(reply[1]) > 0) {
          room = 0;
          refuse(1);
        }
        return reply;
      } catch (error) {
        if (script.name === 'batch' && ++refused === 1) refuse(0);
        throw error;
      }
    };
    expect(await busy.claim(() => room, AbortSignal.timeout(patienceMs))).toEqual([]);
    await until(() => refused > 0, 'the server refuses what goes back');

    await using free = await sender.consume({ queues: ['celery'], name: 'free', leaseMs: 15_000 });
    const [delivery] = await claim(free, 1);
    expect(delivery && [idOf(delivery), delivery.redelivered, delivery.crashes]).toEqual(['a', true, 0]);
    await delivery?.settle({ kind: 'ack' });
  });

  it('what falls due while the server is out of memory and refuses blocking reads is claimed all the same', async () => {
    server.cli('FLUSHALL');
    const limit = (bytes: number): string => server.cli('CONFIG', 'SET', 'maxmemory', String(bytes));
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    await using consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const claimed = claim(consumer, 1);
    const reading = (): string[] =>
      [...server.cli('CLIENT', 'LIST').matchAll(/^id=(\d+) .* cmd=blmove /gm)].map(([, id = '']) => id);
    await until(() => reading().length > 0, 'a blocking read');
    const eta = new Date(Date.now() + 400);
    await transport.publish([publication('later', { eta })]);
    try {
      limit(1);
      for (const id of reading()) server.cli('CLIENT', 'UNBLOCK', id); // the next one is refused
      expect((await claimed).map(idOf)).toEqual(['later']);
    } finally {
      limit(0);
    }
  });

  it('what a blocking read brings is not taken by a claim that looks for what an earlier read may have left', async () => {
    server.cli('FLUSHALL');
    let again = (): void => undefined;
    const due = new Promise<void>((resolve) => (again = resolve));
    // The second look is due some seconds after the first.
    const clock: Clock = {
      ...systemClock,
      after: (ms, then) => {
        if (ms !== maxReadMs) return systemClock.after(ms, then);
        void due.then(then);
        return () => undefined;
      },
    };
    const connection = await RedisConnection.open(redisSettings(server.url(), 'broker', {}));
    await using sender = await openRedisTransport(server.url(), { queues: [], driver: {} });
    await using transport = new RedisTransport(connection, [], clock);
    await using consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    const blocked = (): string[] =>
      server
        .cli('CLIENT', 'LIST')
        .split('\n')
        .filter((line) => line.includes('cmd=blmove'));
    const ids: string[] = [];
    const next = async (): Promise<void> => {
      for (const delivery of await consumer.claim(() => 1, AbortSignal.timeout(patienceMs))) {
        ids.push(idOf(delivery));
        await delivery.settle({ kind: 'ack' });
      }
    };
    let coming = next();
    await until(() => blocked().length === 4);
    const known = blocked();
    for (const line of known) server.cli('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '');
    await until(() => blocked().filter((line) => !known.includes(line)).length === 4);

    // Just as the reads are to be stopped, one brings a message, and a new one begins.
    const call = connection.call.bind(connection);
    let meanwhile: Promise<void> | null = null;
    const message = async (): Promise<void> => {
      await sender.publish([publication('first')]);
      await coming;
      coming = next();
      await until(() => blocked().length === 4);
    };
    connection.call = async (args, options) => {
      if (args[1] === 'UNBLOCK') {
        meanwhile ??= message();
        await meanwhile;
      }
      return call(args, options);
    };
    const run = connection.run.bind(connection);
    let looks = 0;
    connection.run = async (script, keys, args, options) => {
      const claims = script.name === 'batch' ? args.indexOf('C') : -1;
      if (
        claims >= 0 &&
        args.slice(claims).some((arg, n) => n % 3 === 1 && n > 5 && arg === '1') &&
        looks++ === 0
      )
        await sender.publish([publication('second')]);
      return run(script, keys, args, options);
    };
    again();
    await until(() => looks > 0);
    await coming;
    await claim(consumer, 1, 300).then(
      (more) => ids.push(...more.map(idOf)),
      () => undefined,
    );
    expect(ids).toEqual(['first', 'second']);
  });

  it('what is given back because there is no room, and what is adopted, leaves alone what other reads have brought', async () => {
    server.cli('FLUSHALL');
    await using connection = await RedisConnection.open(redisSettings(server.url(), 'broker', {}));
    await connection.run(
      luaScript(luaFile('join.lua')),
      ['umbel:consumers'],
      ['', 'me', '60000', '{}', '["celery"]', '0', '8000', '', '1', 'celery'],
    );
    const taken = takenKey('', 'me', 'celery', 0);
    const messages = ['{"n": 1}', '{"n": 2}', '{"n": 3}', '{"n": 4}'] as const;
    // As blocking reads lay them there.
    for (const message of messages) server.cli('LPUSH', taken, message);
    const commands = new CommandBatcher(
      connection,
      systemClock,
      () => true,
      () => undefined,
      () => undefined,
    );
    commands.begin('me');
    const done = await Promise.all([
      commands.do('G', taken, 'celery', '0', sha(messages[0])),
      commands.do('A', taken, '7:0:celery', sha(messages[1])),
      commands.do('A', taken, '8:0:celery', sha(messages[3])),
      commands.do('A', taken, '9:0:celery', sha('another')),
    ]);
    expect(done).toEqual([true, true, true, false]);
    expect(server.cli('LRANGE', 'celery', '0', '-1')).toBe(messages[0]);
    expect(server.cli('HGET', 'umbel:claimed:me', '7:0:celery')).toBe(messages[1]);
    expect(server.cli('HGET', 'umbel:claimed:me', '8:0:celery')).toBe(messages[3]);
    expect(server.cli('LRANGE', taken, '0', '-1')).toBe(messages[2]);
  });

  it('a claim asks nothing of a server that is away, and asks as soon as it is back', async () => {
    await using transport = await openRedisTransport(server.url(), { queues: [], driver: {} });
    await using consumer = await transport.consume({ queues: ['celery'], name: 'test', leaseMs: 15_000 });
    await server.stop('SIGKILL');
    await until(() => transport.status.state === 'reconnecting');
    const runs = vi.spyOn(RedisConnection.prototype, 'run');
    try {
      const coming = claim(consumer, 1);
      await nextTurn();
      expect(runs.mock.calls.filter(([script]) => script.name === 'batch')).toEqual([]);
      await server.start();
      await transport.publish([publication('back')], { timeoutMs: patienceMs });
      const [delivery] = await coming;
      expect(delivery && idOf(delivery)).toBe('back');
      await delivery?.settle({ kind: 'ack' });
    } finally {
      runs.mockRestore();
    }
  });

  it('a list is open to the other thread only when all that was heard of is done', () => {
    const handoff = new HandoffFlags([':0:celery']);
    const state = (): number => Atomics.load(new Int32Array(handoff.shared), 0);
    expect([handoff.take(':0:celery'), handoff.take(':0:celery')]).toEqual([true, true]);
    handoff.done(':0:celery');
    expect(state()).toBe(1);
    handoff.done(':0:celery');
    expect(state()).toBe(0);
  });
});

function sha(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
