import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisConnection, ReplyLost } from '../../src/clients/redis/connection.ts';
import { redisScript } from '../../src/clients/redis/script.ts';
import { redisSettings } from '../../src/clients/redis/settings.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../../src/errors.ts';
import { isReady, type ResultRecord } from '../../src/protocol/result-meta.ts';
import { openRedisBackend } from '../../src/results/redis/redis-backend.ts';
import { claim, claimNothing, claimOne, idOf, publication } from '../../src/testing/conformance.ts';
import { marksLua, unmark } from '../../src/transports/redis/marks.ts';
import type { RedisConsumer } from '../../src/transports/redis/redis-consumer.ts';
import { openRedisTransport, RedisTransport } from '../../src/transports/redis/redis-transport.ts';
import type { Consumer, Transport } from '../../src/transports/transport.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

needs(describe, noRedis)('the Redis transport', () => {
  let server: RedisServerProcess;
  const opened: AsyncDisposable[] = [];
  let prefixes = 0;
  let driver: { keyPrefix: string };

  beforeAll(async () => {
    server = await RedisServerProcess.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const add = <T extends AsyncDisposable>(thing: T): T => {
    opened.push(thing);
    return thing;
  };
  const inOrder = (title: string, run: () => Promise<void>, ms = 20_000): void => {
    test(
      title,
      async () => {
        driver = { keyPrefix: `{t${++prefixes}}:` };
        try {
          await run();
        } finally {
          for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
        }
      },
      ms,
    );
  };
  const open = async (to = server): Promise<RedisTransport> =>
    add(await openRedisTransport(to.url(), { queues: [], driver }));
  const join = (transport: Transport, queues = ['celery'], leaseMs = 15_000): Promise<Consumer> =>
    transport.consume({ queues, name: 'test', leaseMs });
  const calls = (command: string, from = server): number =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(from.cli('INFO', 'commandstats'))?.[1] ?? 0);

  inOrder("lays messages and bindings where kombu's clients look for them", async () => {
    const transport = await open();
    await transport.publish([
      publication('a'),
      publication('b', { priority: 5 }),
      publication('c', { priority: 200 }),
      publication('d', { priority: -1, queue: 'größe' }),
    ]);
    const key = (name: string): string => driver.keyPrefix + name;
    expect(server.cli('LLEN', key('celery'))).toBe('1');
    expect(server.cli('LLEN', key('celery\x06\x163'))).toBe('1');
    expect(server.cli('LLEN', key('celery\x06\x169'))).toBe('1');
    expect(server.cli('LLEN', key('größe'))).toBe('1');
    expect(server.cli('--raw', 'SMEMBERS', key('_kombu.binding.celery'))).toBe(
      'celery\x06\x16\x06\x16celery',
    );
    const envelope = JSON.parse(server.cli('--raw', 'LINDEX', key('celery'), '0'));
    expect(envelope.properties.delivery_info).toEqual({ exchange: '', routing_key: 'celery' });
    expect(envelope.properties.delivery_tag).toMatch(/^[0-9a-f-]{36}$/);
    expect(envelope.properties.body_encoding).toBe('base64');
    await expect(transport.queues()).resolves.toEqual(['celery', 'größe']);
  });

  inOrder('a plain LPUSH wakes one of many who wait, and nobody polls', async () => {
    const waiting = 8;
    const consumers = await Promise.all(
      Array.from({ length: waiting }, async () => join(await open(), ['celery'], 60_000)),
    );
    const stop = new AbortController();
    const first = Promise.race(consumers.map((consumer) => consumer.claim(() => 5, stop.signal)));
    await expect
      .poll(() => server.cli('CLIENT', 'LIST').match(/cmd=blmove/g)?.length, { timeout: 5000 })
      .toBe(waiting * 4);
    server.cli('CONFIG', 'RESETSTAT');
    const source = await open();
    await source.publish([publication('seed', { queue: 'elsewhere' })]);
    const raw = server.cli('--raw', 'LINDEX', `${driver.keyPrefix}elsewhere`, '0');
    server.cli('CONFIG', 'RESETSTAT');
    server.cli('LPUSH', `${driver.keyPrefix}celery\x06\x166`, raw);
    const [delivery] = await first;
    expect(delivery && idOf(delivery)).toBe('seed');
    await delivery?.settle({ kind: 'ack' });
    // The one that got it spoke to the server; the others said nothing.
    expect(calls('evalsha') + calls('eval')).toBeLessThanOrEqual(3);
    expect(calls('blmove')).toBeLessThanOrEqual(1);
    stop.abort();
  });

  inOrder('an idle consumer says next to nothing', async () => {
    const consumer = await join(await open());
    const stop = new AbortController();
    const claiming = consumer.claim(() => 1, stop.signal);
    await expect.poll(() => server.cli('CLIENT', 'LIST').includes('cmd=blmove')).toBe(true);
    server.cli('CONFIG', 'RESETSTAT');
    await new Promise((resolve) => setTimeout(resolve, 1500)); // the time that is measured
    expect(calls('evalsha') + calls('eval') + calls('blmove') + calls('ping')).toBeLessThanOrEqual(3);
    stop.abort();
    expect(await claiming).toEqual([]);
  });

  inOrder('what a blocked event loop holds is not given to others, for as long as it takes', async () => {
    const holder = await join(await open(), ['celery'], 1000);
    const transport = await open();
    await transport.publish([publication('long')]);
    const held = await claimOne(holder);
    const script = `
      const { openRedisTransport } = await import(${JSON.stringify(new URL('../../dist/transports/redis/redis-transport.js', import.meta.url).href)});
      const transport = await openRedisTransport(${JSON.stringify(server.url())}, { queues: [], driver: ${JSON.stringify(driver)} });
      const consumer = await transport.consume({ queues: ['celery'], name: 'thief', leaseMs: 1000 });
      console.log('joined');
      const taken = await consumer.claim(() => 1, AbortSignal.timeout(3500));
      console.log('took ' + taken.length);
      await transport.close();`;
    const thief = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    thief.stdout.on('data', (data) => {
      said += data;
    });
    const ended = once(thief, 'exit');
    await expect.poll(() => said, { timeout: 5000 }).toContain('joined');
    const until = Date.now() + 3000;
    while (Date.now() < until); // user code that lets nobody else run
    await ended;
    expect(said).toContain('took 0');
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
  });

  inOrder(
    'what comes to a worker whose event loop is blocked goes to others, and it does not run it when it goes on',
    async () => {
      const transport = await open();
      const script = `
      const { openRedisTransport } = await import(${JSON.stringify(new URL('../../dist/transports/redis/redis-transport.js', import.meta.url).href)});
      const transport = await openRedisTransport(${JSON.stringify(server.url())}, { queues: [], driver: ${JSON.stringify(driver)} });
      const consumer = await transport.consume({ queues: ['celery'], name: 'blocked', leaseMs: 1500 });
      const stop = new AbortController();
      const claiming = consumer.claim(() => 2, stop.signal).then((taken) => taken.length);
      console.log('waits');
      process.stdin.once('data', async (data) => {
        const until = Date.now() + Number(data);
        console.log('blocked');
        while (Date.now() < until);
        setTimeout(() => stop.abort(), 1000);
        console.log('took ' + (await claiming));
        process.exit();
      });`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (data) => {
        said += data;
      });
      await expect.poll(() => said, { timeout: 10_000 }).toContain('waits');
      await expect
        .poll(() => server.cli('CLIENT', 'LIST').match(/cmd=blmove/g)?.length, { timeout: 10_000 })
        .toBe(4);
      child.stdin.write('9000\n');
      await expect.poll(() => said, { timeout: 10_000 }).toContain('blocked');
      await transport.publish([publication('comes')]);
      expect(server.cli('KEYS', `${driver.keyPrefix}umbel:taken:*`)).not.toBe('');
      const [delivery] = await claim(await join(transport), 1, 8000);
      expect(delivery && idOf(delivery)).toBe('comes');
      expect(said).not.toContain('took');
      await once(child, 'exit');
      expect(said).toContain('took 0');
      expect(await delivery?.settle({ kind: 'ack' })).toBe('settled');
    },
    40_000,
  );

  inOrder(
    'what a stopped worker holds and what comes to it goes to others; it is fenced when it goes on',
    async () => {
      const transport = await open();
      const script = `
      const { openRedisTransport } = await import(${JSON.stringify(new URL('../../dist/transports/redis/redis-transport.js', import.meta.url).href)});
      const transport = await openRedisTransport(${JSON.stringify(server.url())}, { queues: [], driver: ${JSON.stringify(driver)} });
      const consumer = await transport.consume({ queues: ['celery'], name: 'stopped', leaseMs: 1500 });
      const [held] = await consumer.claim(() => 2, AbortSignal.timeout(5000));
      consumer.claim(() => 2, AbortSignal.timeout(60000));
      console.log('holds');
      process.stdin.once('data', async () => {
        console.log(await held.settle({ kind: 'ack' }));
        process.exit();
      });`;
      await transport.publish([publication('held')]);
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (data) => {
        said += data;
      });
      await expect.poll(() => said, { timeout: 5000 }).toContain('holds');
      await expect.poll(() => server.cli('CLIENT', 'LIST').includes('cmd=blmove')).toBe(true);
      child.kill('SIGSTOP');
      await transport.publish([publication('comes')]);
      const heir = await join(transport, ['celery'], 1500);
      const inherited = await claim(heir, 2, 12_000);
      expect(inherited.map(idOf).sort()).toEqual(['comes', 'held']);
      child.kill('SIGCONT');
      child.stdin.write('\n');
      await once(child, 'exit');
      expect(said).toContain('fenced');
      for (const delivery of inherited) expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
      expect(await transport.size('celery')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
    },
  );

  describe('when answers are lost', () => {
    /** Each answer to a script is lost once, after the server has acted. */
    async function losing(): Promise<{ transport: RedisTransport; lost: () => number }> {
      const connection = await RedisConnection.open(redisSettings(server.url(), 'broker', driver));
      const run = connection.run.bind(connection);
      let lost = 0;
      let lose = true;
      connection.run = async (script, ...rest) => {
        const reply = await run(script, ...rest);
        lose = !lose;
        if (lose || !['turn', 'send'].includes(script.name)) return reply;
        lost++;
        throw new ReplyLost(script.name);
      };
      const { systemClock } = await import('../../src/lib/clock.ts');
      return { transport: add(new RedisTransport(connection, [], systemClock)), lost: () => lost };
    }

    inOrder('nothing is sent, claimed or settled twice, and nothing is lost', async () => {
      const { transport, lost } = await losing();
      const backend = add(await openRedisBackend(server.url(), { expiresMs: 60_000, driver }));
      const ids = Array.from({ length: 60 }, (_, n) => `t${n}`);
      for (const id of ids)
        await transport.publish([
          id.endsWith('3')
            ? publication(id, { once: true })
            : publication(id, { write: backend.writeOfSent(record(id, 'PENDING')) }),
        ]);
      expect((await transport.size('celery')).ready).toBe(ids.length);
      const consumer = await join(transport);
      const seen: string[] = [];
      while (seen.length < ids.length) {
        const deliveries = await consumer.claim(() => 7, AbortSignal.timeout(5000));
        expect(deliveries.length).toBeGreaterThan(0);
        await Promise.all(
          deliveries.map(async (delivery, n) => {
            seen.push(idOf(delivery));
            const write = backend.writeOf(record(idOf(delivery), 'SUCCESS', 1));
            const publish = n === 0 ? [publication(`${idOf(delivery)}-next`, { queue: 'next' })] : [];
            expect(await delivery.settle({ kind: 'ack', write, publish })).toBe('settled');
          }),
        );
      }
      expect(lost()).toBeGreaterThan(20);
      expect(seen.sort()).toEqual(ids.sort());
      expect(await transport.size('celery')).toEqual({ ready: 0, scheduled: 0, claimed: 0 });
      const next = await claim(await join(await open(), ['next']), (await transport.size('next')).ready);
      expect(new Set(next.map(idOf)).size).toBe(next.length);
      for (const id of ids) expect((await backend.get(id))?.status).toBe('SUCCESS');
    });
  });

  inOrder('a sender whose answer never comes is told that it is not known, and may repeat it', async () => {
    const frozen = await RedisServerProcess.start();
    try {
      const transport = await open(frozen);
      await transport.publish([publication('warm')]);
      frozen.signal('SIGSTOP');
      const sending = transport.publish([publication('once', { once: true })], { timeoutMs: 500 });
      await expect(sending).rejects.toThrow(SendUnconfirmed);
      frozen.signal('SIGCONT');
      await transport.publish([publication('once', { once: true })]);
      expect((await transport.size('celery')).ready).toBe(2);
    } finally {
      for (const thing of opened.splice(0)) await thing[Symbol.asyncDispose]();
      await frozen[Symbol.asyncDispose]();
    }
  });

  inOrder('a sender gives up when told to, or at its deadline, and knows that nothing was sent', async () => {
    const gone = await RedisServerProcess.start();
    const transport = await open(gone);
    await transport.publish([publication('warm')]);
    await gone.stop('SIGKILL');
    await expect.poll(() => transport.status.state).toBe('reconnecting');
    const started = performance.now();
    await expect(transport.publish([publication('a')], { timeoutMs: 300 })).rejects.toThrow(
      BrokerUnavailable,
    );
    expect(performance.now() - started).toBeLessThan(2000);
    const abort = new AbortController();
    const sending = transport.publish([publication('b')], { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(sending).rejects.toThrow('enough');
    await gone.start();
    await transport.publish([publication('c')], { timeoutMs: 5000 });
    expect((await transport.size('celery')).ready).toBe(1);
    for (const thing of opened.splice(0)) await thing[Symbol.asyncDispose]();
    await gone[Symbol.asyncDispose]();
  });

  inOrder(
    'a server that is full can be drained, refuses senders by name, and takes messages again',
    async () => {
      const full = await RedisServerProcess.start('--maxmemory-policy', 'noeviction');
      const transport = await open(full);
      const backend = add(await openRedisBackend(full.url(), { expiresMs: 60_000, driver }));
      await transport.publish(Array.from({ length: 50 }, (_, n) => publication(`m${n}`)));
      const consumer = await join(transport, ['celery'], 3000);
      const early = await claim(consumer, 5);
      full.cli('CONFIG', 'SET', 'maxmemory', '1mb');
      await expect(transport.publish([publication('refused')], { timeoutMs: 500 })).rejects.toThrow(
        BrokerUnavailable,
      );
      for (const delivery of early) {
        const write = backend.writeOf(record(idOf(delivery), 'SUCCESS', 'x'.repeat(100)));
        expect(await delivery.settle({ kind: 'ack', write })).toBe('settled');
      }
      const rest = await claim(consumer, 45);
      await new Promise((resolve) => setTimeout(resolve, 4000)); // longer than the lease: it is renewed all the same
      for (const [n, delivery] of rest.entries()) {
        const settlement = n % 3;
        const result =
          settlement === 0
            ? delivery.settle({ kind: 'release', until: null })
            : settlement === 1
              ? delivery.settle({ kind: 'dead', reason: 'rejected', detail: 'no' })
              : delivery.settle({ kind: 'ack' });
        expect(await result).toBe('settled');
      }
      full.cli('CONFIG', 'SET', 'maxmemory', '0');
      await transport.publish([publication('taken')]);
      expect(await transport.size('celery')).toEqual({ ready: 16, scheduled: 0, claimed: 0 });
      expect(await transport.deadLetters.count()).toBe(15);
      for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
      await full[Symbol.asyncDispose]();
    },
  );

  inOrder('after a restart of the server that kept its data, workers go on with what they hold', async () => {
    const kept = await RedisServerProcess.start('--appendonly', 'yes', '--appendfsync', 'always');
    const transport = await open(kept);
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const consumer = await join(transport);
    const held = await claimOne(consumer);
    const waiting = claimOne(await join(transport, ['other']));
    await kept.stop('SIGKILL');
    const settling = held.settle({ kind: 'ack' });
    await kept.start();
    expect(await settling).toBe('settled');
    expect(idOf(await claimOne(consumer))).toBe('b');
    await transport.publish([publication('c', { queue: 'other' })]);
    expect(idOf(await waiting)).toBe('c');
    for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
    await kept[Symbol.asyncDispose]();
  });

  inOrder('connections that the server cuts are made anew, and nothing is missed', async () => {
    const transport = await open();
    const consumer = await join(transport);
    for (let round = 0; round < 5; round++) {
      const claiming = claimOne(consumer);
      await expect.poll(() => server.cli('CLIENT', 'LIST').includes('cmd=blmove')).toBe(true);
      server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await transport.publish([publication(`r${round}`)], { timeoutMs: 5000 });
      const delivery = await claiming;
      expect(idOf(delivery)).toBe(`r${round}`);
      expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    }
  });

  inOrder(
    'of many who die at once the messages come back at once',
    async () => {
      const transport = await open();
      const count = 15; // more than are struck off at a time
      await transport.publish(Array.from({ length: count }, (_, n) => publication(`m${n}`)));
      for (let n = 0; n < count; n++) {
        const consumer = await join(transport);
        await claimOne(consumer);
        const { id } = consumer as RedisConsumer; // one of this driver
        const key = `${driver.keyPrefix}umbel:consumers`;
        // Its thread may have renewed the lease just now.
        await expect
          .poll(async () => {
            server.cli('ZADD', key, 'XX', '0', id);
            await transport.tend();
            return server.cli('ZSCORE', key, id);
          })
          .toBe('');
      }
      expect(await transport.size('celery')).toEqual({ ready: count, scheduled: 0, claimed: 0 });
    },
    60_000,
  );

  inOrder('a future task of a queue that only Python serves stays where Python finds it', async () => {
    const transport = await open();
    await transport.publish([publication('later', { queue: 'py', eta: new Date(Date.now() + 60_000) })]);
    expect(await transport.size('py')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
    const consumer = await join(transport, ['py']);
    expect(await claimNothing(consumer, 100)).toEqual([]);
    await expect.poll(() => transport.size('py')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
    await consumer.close();
    expect(await transport.size('py')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
  });

  inOrder('ten thousand tasks that come due come in time', async () => {
    const transport = await open();
    const consumer = await join(transport);
    const start = Date.now() + 1500;
    const count = 3000;
    await transport.publish(
      Array.from({ length: count }, (_, n) =>
        publication(`d${n}`, { eta: new Date(start + (n % 1000)), text: String(start + (n % 1000)) }),
      ),
    );
    const late: number[] = [];
    while (late.length < count) {
      const deliveries = await consumer.claim(() => 200, AbortSignal.timeout(8000));
      if (deliveries.length === 0) break;
      for (const delivery of deliveries) {
        const eta = delivery.message.ok ? Date.parse(String(delivery.message.value.headers.eta)) : 0;
        late.push(Date.now() - eta);
      }
      await Promise.all(deliveries.map((delivery) => delivery.settle({ kind: 'ack' })));
    }
    expect(late.length).toBe(count);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  inOrder('marks go on and come off exactly, in Lua as in JavaScript', async () => {
    const connection = add(await RedisConnection.open(redisSettings(server.url(), 'broker', {})));
    const script = redisScript(
      'marks',
      `${marksLua} local stored = mark(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
       local raw, s, p = unmark(stored) local same, z = unmark(ARGV[1])
       return {stored, raw, s, p, same == ARGV[1] and 1 or 0, z}`,
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .constantFrom('{}', '{', '', '\0', '{"umb', '{"body":"x"}', '{"umbel":1}')
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(99), fc.nat(99), async (raw, strikes, parks) => {
        const reply = await connection.run(script, [], [raw, String(strikes), String(parks)], {
          buffers: true,
        });
        const [stored, back, s, p, untouched] = Array.isArray(reply) ? reply : [];
        expect(back).toEqual(raw);
        expect([Number(s), Number(p), Number(untouched)]).toEqual([strikes, parks, 1]);
        expect(unmark(stored)).toEqual({ raw, strikes, parks, redelivered: true });
        expect(unmark(raw)).toEqual({ raw, strikes: 0, parks: 0, redelivered: false });
      }),
      { numRuns: 300 },
    );
  });
});

function record(taskId: string, status: string, result: unknown = null): ResultRecord {
  const dateDone = isReady(status) ? new Date() : null;
  return { taskId, status, result, traceback: null, children: [], dateDone };
}
