import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../../../src/errors.ts';
import { isReady, type ResultRecord } from '../../../src/protocol/result-meta.ts';
import { RedisConnection, ReplyLost } from '../../../src/stores/redis/client/connection.ts';
import { redisScript } from '../../../src/stores/redis/client/script.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { splitMetadata } from '../../../src/stores/redis/redelivery-metadata.ts';
import { openRedisBackend } from '../../../src/stores/redis/redis-backend.ts';
import type { RedisConsumer } from '../../../src/stores/redis/redis-consumer.ts';
import { openRedisTransport, RedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { luaSource } from '../../../src/stores/redis/scripts.ts';
import type { Consumer, Transport } from '../../../src/stores/transport.ts';
import { claim, claimNothing, claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { busy } from '../../busy.ts';
import { needs } from '../../needs.ts';
import { isLong, scaled, seed } from '../../run/scale.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs, until, within } from '../../until.ts';

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
  const inOrder = (title: string, run: () => Promise<void>): void => {
    test(title, async () => {
      driver = { keyPrefix: `{t${++prefixes}}:` };
      try {
        await run();
      } finally {
        for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
      }
    });
  };
  const open = async (to = server): Promise<RedisTransport> =>
    add(await openRedisTransport(to.url(), { queues: [], driver }));
  const join = (transport: Transport, queues = ['celery'], leaseMs = 15_000): Promise<Consumer> =>
    transport.consume({ queues, name: 'test', leaseMs });
  const calls = (command: string, from = server): number =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(from.cli('INFO', 'commandstats'))?.[1] ?? 0);
  /** How many blocking reads are under way. */
  const reads = (): number => server.cli('CLIENT', 'LIST').match(/cmd=blmove/g)?.length ?? 0;
  /** Another process, in which this runs with a transport of its own; and what it prints. */
  const inAnother = (code: string): Other => {
    const other = new Other(`
      const { openRedisTransport } = await import(${JSON.stringify(new URL('../../../build/src/stores/redis/redis-transport.js', import.meta.url).href)});
      const transport = await openRedisTransport(${JSON.stringify(server.url())}, { queues: [], driver: ${JSON.stringify(driver)} });
      ${code}`);
    return add(other);
  };

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

  inOrder('a mailbox of remote control with an unread reply is no queue of tasks', async () => {
    const transport = await open();
    await transport.publish([publication('a')]);
    const mailbox = 'x.reply.celery.pidbox';
    const key = (name: string): string => driver.keyPrefix + name;
    server.cli('SADD', key('_kombu.binding.reply.celery.pidbox'), `x\x06\x16\x06\x16${mailbox}`);
    server.cli('LPUSH', key(mailbox), '{}');
    expect(await transport.queues()).toEqual(['celery']);
  });

  inOrder('a plain LPUSH wakes one of many who wait, and nobody polls', async () => {
    const waiting = 8;
    const consumers = await Promise.all(
      Array.from({ length: waiting }, async () => join(await open(), ['celery'], 600_000)),
    );
    const stop = new AbortController();
    const first = Promise.race(consumers.map((consumer) => consumer.claim(() => 5, stop.signal)));
    await until(() => reads() === waiting * 4);
    const source = await open();
    await source.publish([publication('seed', { queue: 'elsewhere' })]);
    const raw = server.cli('--raw', 'LINDEX', `${driver.keyPrefix}elsewhere`, '0');
    const runs = vi.spyOn(RedisConnection.prototype, 'run');
    const calls = vi.spyOn(RedisConnection.prototype, 'call');
    try {
      const since = performance.now();
      server.cli('LPUSH', `${driver.keyPrefix}celery\x06\x166`, raw);
      const [delivery] = await first;
      expect(delivery && idOf(delivery)).toBe('seed');
      await delivery?.settle({ kind: 'ack' });
      // The one that got it spoke to the server; the others said nothing.
      expect(runs.mock.calls.length).toBeLessThanOrEqual(3);
      // A read that has blocked for five seconds begins anew.
      const anew = waiting * 4 * Math.floor((performance.now() - since) / 5000 + 1);
      expect(calls.mock.calls.filter(([[command]]) => command === 'BLMOVE').length).toBeLessThanOrEqual(
        1 + anew,
      );
    } finally {
      runs.mockRestore();
      calls.mockRestore();
    }
    stop.abort();
  });

  inOrder('an idle consumer says next to nothing', async () => {
    const consumer = await join(await open());
    const stop = new AbortController();
    const claiming = consumer.claim(() => 1, stop.signal);
    await until(() => reads() === 4);
    server.cli('CONFIG', 'RESETSTAT');
    const since = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1500)); // the time that is measured
    const said = calls('evalsha') + calls('eval') + calls('blmove') + calls('ping');
    // In five seconds it renews its lease once, and begins each of its four reads anew.
    expect(said).toBeLessThanOrEqual(1 + (performance.now() - since) / 750);
    stop.abort();
    expect(await claiming).toEqual([]);
  });

  inOrder('what a blocked event loop holds is not given to others, for as long as it takes', async () => {
    const leaseMs = 2000;
    const holder = await join(await open(), ['celery'], leaseMs);
    const transport = await open();
    await transport.publish([publication('long')]);
    const held = await claimOne(holder);
    const thief = inAnother(`
      const consumer = await transport.consume({ queues: ['celery'], name: 'thief', leaseMs: 15000 });
      console.log('joined');
      const taken = await consumer.claim(() => 1, AbortSignal.timeout(${2.5 * leaseMs}));
      console.log('took ' + taken.length);
      await transport.close();`);
    await thief.says('joined');
    // User code that lets nobody else run.
    busy(2.5 * leaseMs);
    await thief.says('took 0');
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
  });

  inOrder('so it is when its connections are lost just before', async () => {
    const leaseMs = 3000;
    const transport = await open();
    const holder = await join(transport, ['celery'], leaseMs);
    await transport.publish([publication('long')]);
    const held = await claimOne(holder);
    const thief = inAnother(`
      const consumer = await transport.consume({ queues: ['celery'], name: 'thief', leaseMs: 15000 });
      console.log('joined');
      const taken = await consumer.claim(() => 1, AbortSignal.timeout(${2.5 * leaseMs}));
      console.log('took ' + taken.length);
      await transport.close();`);
    await thief.says('joined');
    const blocked = new Promise<void>((resolve) => {
      transport.onStatus(({ state }) => {
        if (state !== 'reconnecting') return;
        // When all who listen have heard it.
        queueMicrotask(() => {
          busy(2.5 * leaseMs);
          resolve();
        });
      });
    });
    server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await blocked;
    await thief.says('took 0');
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
  });

  inOrder(
    'what comes to a worker whose event loop is blocked goes to others, and it does not run it when it goes on',
    async () => {
      const transport = await open();
      const blocked = inAnother(`
      const { readSync } = await import('node:fs');
      const consumer = await transport.consume({ queues: ['celery'], name: 'blocked', leaseMs: 3000 });
      const stop = new AbortController();
      const claiming = consumer.claim(() => 2, stop.signal).then((taken) => taken.length);
      process.once('SIGUSR2', async () => {
        console.log('blocked');
        readSync(0, Buffer.alloc(9)); // until it is told something
        setTimeout(() => stop.abort(), 1000);
        console.log('took ' + (await claiming));
        process.exit();
      });
      console.log('waits');`);
      await blocked.says('waits');
      await until(() => reads() === 4);
      blocked.signal('SIGUSR2');
      await blocked.says('blocked');
      await transport.publish([publication('comes')]);
      expect(server.cli('KEYS', `${driver.keyPrefix}umbel:taken:*`)).not.toBe('');
      const delivery = await claimOne(await join(transport));
      expect(idOf(delivery)).toBe('comes');
      expect(blocked.said).not.toContain('took');
      blocked.tell('go on');
      await blocked.says('took 0');
      expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    },
  );

  inOrder(
    'what a stopped worker holds and what comes to it goes to others; it is fenced when it goes on',
    async () => {
      const transport = await open();
      await transport.publish([publication('held')]);
      const stopped = inAnother(`
      const consumer = await transport.consume({ queues: ['celery'], name: 'stopped', leaseMs: 1500 });
      const [held] = await consumer.claim(() => 2, AbortSignal.timeout(60000));
      consumer.claim(() => 2, AbortSignal.timeout(60000));
      console.log('holds');
      process.stdin.once('data', async () => {
        console.log(await held.settle({ kind: 'ack' }));
        process.exit();
      });`);
      await stopped.says('holds');
      await until(() => reads() > 0);
      stopped.signal('SIGSTOP');
      await transport.publish([publication('comes')]);
      const inherited = await claim(await join(transport), 2);
      expect(inherited.map(idOf).sort()).toEqual(['comes', 'held']);
      stopped.signal('SIGCONT');
      stopped.tell('settle');
      await stopped.says('fenced');
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
        if (lose || !['batch', 'send'].includes(script.name)) return reply;
        lost++;
        throw new ReplyLost(script.name);
      };
      const { systemClock } = await import('../../../src/lib/clock.ts');
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
            : publication(id, { write: backend.writeOfSent(record(id, 'PENDING'), id.endsWith('4')) }),
        ]);
      expect((await transport.size('celery')).ready).toBe(ids.length);
      const consumer = await join(transport);
      const seen: string[] = [];
      while (seen.length < ids.length) {
        const deliveries = await consumer.claim(() => 7, AbortSignal.timeout(patienceMs));
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
    const transport = await open();
    await transport.publish([publication('warm')]);
    server.signal('SIGSTOP');
    try {
      const sending = transport.publish([publication('once', { once: true })], { timeoutMs: 500 });
      await expect(sending).rejects.toThrow(SendUnconfirmed);
    } finally {
      server.signal('SIGCONT');
    }
    await transport.publish([publication('once', { once: true })], { timeoutMs: patienceMs });
    expect((await transport.size('celery')).ready).toBe(2);
  });

  inOrder('a sender gives up when told to, or at its deadline, and knows that nothing was sent', async () => {
    const transport = await open();
    await transport.publish([publication('warm')]);
    await server.stop('SIGKILL');
    try {
      await until(() => transport.status.state === 'reconnecting');
      const started = performance.now();
      const sent = transport.publish([publication('a')], { timeoutMs: 300 });
      await expect(sent).rejects.toThrow(BrokerUnavailable);
      if (isLong) expect(performance.now() - started).toBeLessThan(2000);
      const abort = new AbortController();
      const sending = transport.publish([publication('b')], { signal: abort.signal, timeoutMs: patienceMs });
      abort.abort(new Error('enough'));
      await expect(sending).rejects.toThrow('enough');
    } finally {
      await server.start();
    }
    await transport.publish([publication('c')], { timeoutMs: patienceMs });
    expect((await transport.size('celery')).ready).toBe(1);
  });

  inOrder(
    'a server that is full can be drained, refuses senders by name, and takes messages again',
    async () => {
      const transport = await open();
      const backend = add(await openRedisBackend(server.url(), { expiresMs: 60_000, driver }));
      await transport.publish(Array.from({ length: 50 }, (_, n) => publication(`m${n}`)));
      const consumer = await join(transport, ['celery'], 3000);
      const early = await claim(consumer, 5);
      server.cli('CONFIG', 'SET', 'maxmemory', '1mb');
      try {
        const refused = transport.publish([publication('refused')], { timeoutMs: 500 });
        await expect(refused).rejects.toThrow(BrokerUnavailable);
        for (const delivery of early) {
          const write = backend.writeOf(record(idOf(delivery), 'SUCCESS', 'x'.repeat(100)));
          expect(await delivery.settle({ kind: 'ack', write })).toBe('settled');
        }
        const rest = await claim(consumer, 45);
        // Its lease is renewed all the same.
        const { id } = consumer as RedisConsumer; // one of this driver
        const leaseEnd = (): number => Number(server.cli('ZSCORE', `${driver.keyPrefix}umbel:consumers`, id));
        const before = leaseEnd();
        await until(() => leaseEnd() > before);
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
      } finally {
        server.cli('CONFIG', 'SET', 'maxmemory', '0');
      }
      await transport.publish([publication('taken')]);
      expect(await transport.size('celery')).toEqual({ ready: 16, scheduled: 0, claimed: 0 });
      expect(await transport.deadLetters.count()).toBe(15);
    },
  );

  inOrder('a worker can start while the server is full, and makes room', async () => {
    const newTask = () => {
      const settings = { broker: server.url(), brokerTransportOptions: driver, backend: null };
      const app = add(new App('full', settings));
      return { app, task: app.task('full.task', () => undefined) };
    };
    const { task } = newTask();
    for (let n = 0; n < 20; n++) await task.delay();
    server.cli('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const worker = new Worker(newTask().app, { name: 'late@here', queues: ['celery', 'new'] });
      await worker.start();
      const transport = await open();
      await until(async () => (await transport.size('celery')).ready === 0, 'the queue to be empty');
      expect(server.cli('SCARD', `${driver.keyPrefix}_kombu.binding.new`)).toBe('1');
      await worker.stop();
    } finally {
      server.cli('CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  inOrder('after a restart of the server that kept its data, workers go on with what they hold', async () => {
    // It takes a second to load its data, and tells those who connect meanwhile.
    const slow = ['--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024'];
    const kept = add(await RedisServerProcess.start('--rdbcompression', 'no', ...slow));
    kept.cli('EVAL', "for i = 1, 200 do redis.call('SET', 'key'..i, ('x'):rep(1024)) end", '0');
    const transport = await open(kept);
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const consumer = await join(transport);
    const held = await claimOne(consumer);
    const waiting = claimOne(await join(transport, ['other']));
    waiting.catch(() => undefined); // it is awaited last
    kept.cli('SAVE');
    await kept.stop('SIGKILL');
    await until(() => transport.status.state === 'reconnecting');
    const settling = held.settle({ kind: 'ack' });
    await kept.start();
    expect(await settling).toBe('settled');
    expect(idOf(await claimOne(consumer))).toBe('b');
    await transport.publish([publication('c', { queue: 'other' })], { timeoutMs: patienceMs });
    expect(idOf(await waiting)).toBe('c');
  });

  inOrder('connections that the server cuts are made anew, and nothing is missed', async () => {
    const transport = await open();
    const consumer = await join(transport);
    for (let round = 0; round < 5; round++) {
      const claiming = claimOne(consumer);
      await until(() => reads() > 0);
      server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await transport.publish([publication(`r${round}`)], { timeoutMs: patienceMs });
      const delivery = await claiming;
      expect(idOf(delivery)).toBe(`r${round}`);
      expect(await delivery.settle({ kind: 'ack' })).toBe('settled');
    }
  });

  inOrder('of many who die at once the messages come back at once', async () => {
    const transport = await open();
    const count = 15; // more than are evicted at a time
    await transport.publish(Array.from({ length: count }, (_, n) => publication(`m${n}`)));
    for (let n = 0; n < count; n++) {
      const consumer = await join(transport);
      await claimOne(consumer);
      const { id } = consumer as RedisConsumer; // one of this driver
      const key = `${driver.keyPrefix}umbel:consumers`;
      // Its thread may have renewed the lease just now.
      await until(async () => {
        server.cli('ZADD', key, 'XX', '0', id);
        await transport.maintain();
        return server.cli('ZSCORE', key, id) === '';
      });
    }
    expect(await transport.size('celery')).toEqual({ ready: count, scheduled: 0, claimed: 0 });
  });

  inOrder('a future task of a queue that only Python serves stays where Python finds it', async () => {
    const transport = await open();
    await transport.publish([publication('later', { queue: 'py', eta: new Date(Date.now() + 3_600_000) })]);
    expect(await transport.size('py')).toEqual({ ready: 1, scheduled: 0, claimed: 0 });
    const consumer = await join(transport, ['py']);
    expect(await claimNothing(consumer, 100)).toEqual([]);
    await expect.poll(() => transport.size('py')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
    await consumer.close();
    expect(await transport.size('py')).toEqual({ ready: 0, scheduled: 1, claimed: 0 });
  });

  inOrder('thousands of tasks that come due come, each not before its time', async () => {
    const transport = await open();
    const consumer = await join(transport);
    const start = Date.now() + 1500;
    const count = scaled(1000, 10_000);
    await transport.publish(
      Array.from({ length: count }, (_, n) =>
        publication(`d${n}`, { eta: new Date(start + (n % 1000)), text: String(start + (n % 1000)) }),
      ),
    );
    const late: number[] = [];
    while (late.length < count) {
      const deliveries = await consumer.claim(() => 200, AbortSignal.timeout(patienceMs));
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
      `${luaSource('--- @include metadata\n')} local stored = mark(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
       local raw, s, p = unmark(stored) local same, z = unmark(ARGV[1])
       local announced = mark_announced(ARGV[1]) if unmark(announced) ~= ARGV[1] then same = '' end
       return {stored, raw, s, p, same == ARGV[1] and 1 or 0, z, announced}`,
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .constantFrom('{}', '{', '', '\0', '{"umb', '{"body":"x"}', '{"umbel":1}')
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(99), fc.nat(99), async (raw, crashes, deferrals) => {
        const reply = await connection.run(script, [], [raw, String(crashes), String(deferrals)], {
          buffers: true,
        });
        const [stored, back, s, p, untouched, _, announced] = Array.isArray(reply) ? reply : [];
        expect(back).toEqual(raw);
        expect([Number(s), Number(p), Number(untouched)]).toEqual([crashes, deferrals, 1]);
        expect(splitMetadata(stored)).toEqual({
          raw,
          crashes,
          deferrals,
          redelivered: true,
          announced: false,
        });
        const none = { crashes: 0, deferrals: 0, redelivered: false };
        expect(splitMetadata(raw)).toEqual({ raw, ...none, announced: false });
        const isMarked = raw[0] === 0x7b;
        expect(announced).toEqual(
          isMarked ? Buffer.concat([Buffer.from('{"umbel":[0,0,1],'), raw.subarray(1)]) : raw,
        );
        expect(splitMetadata(announced)).toEqual({ raw, ...none, announced: isMarked });
      }),
      { seed, numRuns: scaled(100, 300) },
    );
  });
});

function record(taskId: string, status: string, result: unknown = null): ResultRecord {
  const dateDone = isReady(status) ? new Date() : null;
  return { taskId, status, result, traceback: null, children: [], dateDone };
}

/** A process that runs a module, and what it has printed so far. */
class Other implements AsyncDisposable {
  said = '';
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<unknown>;

  constructor(module: string) {
    this.#process = spawn(process.execPath, ['--input-type=module', '-e', module], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = once(this.#process, 'exit');
    this.#process.stdin.on('error', () => undefined); // it reads no more
    this.#process.stdout.on('data', (data) => {
      this.said += data;
    });
  }

  says(text: string): Promise<void> {
    return until(
      () => this.said.includes(text),
      () => `'${text}' of a process that said '${this.said}'`,
    );
  }

  tell(text: string): void {
    this.#process.stdin.write(`${text}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await within(this.#ended, 'the end of a process');
  }
}
