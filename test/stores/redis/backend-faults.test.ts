// What Redis does to results when it is down, restarted, full or silent.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { App } from '../../../src/app/app.ts';
import { BrokerUnavailable } from '../../../src/errors.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { AsyncResult } from '../../../src/results/async-result.ts';
import { openRedisBackend } from '../../../src/stores/redis/redis-backend.ts';
import { Worker } from '../../../src/worker/worker.ts';
import { needs } from '../../needs.ts';
import { isLong, scaled } from '../../run/scale.ts';
import { freePort, noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patience, patienceMs, until, within } from '../../until.ts';

function record(taskId: string, status = 'SUCCESS', result: unknown = 5): ResultRecord {
  return { taskId, status, result, traceback: null, children: [], dateDone: null };
}

const soon = { expiresMs: 3_600_000, answerMs: 400 };
const patient = { expiresMs: 3_600_000, answerMs: patienceMs };

describe('without a server', () => {
  test('put, get, forget and watch fail at their deadline', async () => {
    const port = await freePort();
    await using backend = await openRedisBackend(`redis://:secret@127.0.0.1:${port}`, soon);
    const began = performance.now();
    const outcomes = await Promise.allSettled([
      backend.put(record('a')),
      backend.get('a'),
      backend.forget('a'),
    ]);
    for (const outcome of outcomes) {
      const error = outcome.status === 'rejected' ? outcome.reason : undefined;
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toContain(`127.0.0.1:${port}`);
      expect(String(error)).not.toContain('secret');
    }
    expect(performance.now() - began).toBeGreaterThan(300);
    if (isLong) expect(performance.now() - began).toBeLessThan(3000);
  });
});

needs(describe, noRedis)('before there is a server', () => {
  test('a watch that is ended before the connection is there leaves nothing behind', async () => {
    await using server = await RedisServerProcess.start();
    await server.stop();
    const backend = await openRedisBackend(server.url(), patient);
    const iterators = Array.from({ length: 100 }, (_, n) =>
      backend.watch(`early-${n}`, new AbortController().signal)[Symbol.asyncIterator](),
    );
    const nexts = iterators.map((each) => each.next());
    const staying = new AsyncResult('stays', backend).get(patience);
    await Promise.all(iterators.map((each) => each.return?.()));
    await Promise.all(nexts);
    await server.start();
    const channels = (): string => server.cli('PUBSUB', 'CHANNELS');
    await expect.poll(channels).toBe('celery-task-meta-stays');
    await backend.put(record('stays'));
    expect(await staying).toBe(5);
    await expect.poll(channels).toBe('');
    await backend.close();
  });
});

needs(describe, noRedis)('results in a Redis that fails', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.start('--appendonly', 'yes', '--appendfsync', 'always');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const subscribed = (count: number): Promise<void> =>
    expect.poll(() => server.cli('PUBSUB', 'CHANNELS').split('\n').filter(Boolean).length).toBe(count);
  /** Of one who gives up soon: a busy machine may be slower than that. */
  const isDone = (done: Promise<unknown>): Promise<boolean> =>
    done.then(
      () => true,
      () => false,
    );

  test('a put whose answer was lost is made again', async () => {
    await using relay = await Relay.to(server.port);
    await using backend = await openRedisBackend(`redis://127.0.0.1:${relay.port}/0`, patient);
    await backend.put(record('lost', 'STARTED'));
    for (let n = 0; n < 5; n++) {
      relay.loseAnswer();
      await backend.put(record(`lost-${n}`));
      expect(server.cli('EXISTS', `celery-task-meta-lost-${n}`)).toBe('1');
    }
    relay.loseAnswer();
    expect((await backend.get('lost-1'))?.result).toBe(5);
    relay.loseAnswer();
    await backend.forget('lost-1');
    expect(await backend.get('lost-1')).toBeUndefined();
  });

  test('what many put while the connection breaks again and again is all kept', async () => {
    await using relay = await Relay.to(server.port);
    await using backend = await openRedisBackend(`redis://127.0.0.1:${relay.port}/0`, patient);
    const ids = Array.from({ length: scaled(600, 4200) }, (_, n) => `cut-${n}`);
    let next = 0;
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        for (let n = next++; n < ids.length; n = next++) {
          await backend.put(record(`cut-${n}`, 'PROGRESS', -n));
          if (n % 60 === 0) relay.cut();
          await backend.put(record(`cut-${n}`, 'SUCCESS', n));
        }
      }),
    );
    expect(relay.cuts).toBe(ids.length / 60);
    const read = await Promise.all(ids.map((id) => backend.get(id)));
    expect(read.map((each) => each?.result)).toEqual(ids.map((_, n) => n));
  });

  test('a server that never answers a put costs its deadline, not more', async () => {
    await using relay = await Relay.to(server.port);
    const backend = await openRedisBackend(`redis://127.0.0.1:${relay.port}/0`, soon);
    try {
      await until(() => isDone(backend.put(record('silent'))));
      relay.losesAll = true;
      const began = performance.now();
      await expect(backend.put(record('silent-too'))).rejects.toThrow(BrokerUnavailable);
      if (isLong) expect(performance.now() - began).toBeLessThan(3000);
    } finally {
      relay.losesAll = false;
      await backend.close();
    }
  });

  test('a frozen server costs the deadline, and is used again when it lives', async () => {
    await using backend = await openRedisBackend(server.url(), soon);
    await until(() => isDone(backend.put(record('frozen'))));
    server.signal('SIGSTOP');
    try {
      const outcomes = await Promise.allSettled([backend.put(record('frozen')), backend.get('frozen')]);
      for (const outcome of outcomes)
        expect(outcome.status === 'rejected' && outcome.reason).toBeInstanceOf(BrokerUnavailable);
    } finally {
      server.signal('SIGCONT');
    }
    await until(() => isDone(backend.get('frozen')));
    await until(() => isDone(backend.put(record('thawed'))));
  });

  test('a full server refuses a put in words that help, is read on, and takes it when there is room', async () => {
    await using backend = await openRedisBackend(server.url(), patient);
    await backend.put(record('before'));
    server.cli('CONFIG', 'SET', 'maxmemory', '1000');
    try {
      const error = await backend.put(record('full')).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BrokerUnavailable);
      expect(String(error)).toMatch(/memory/i);
      expect((await backend.get('before'))?.result).toBe(5);
    } finally {
      server.cli('CONFIG', 'SET', 'maxmemory', '0');
    }
    await backend.put(record('full'));
    expect((await backend.get('full'))?.result).toBe(5);
  });

  test('scripts that the server has forgotten are sent again', async () => {
    await using backend = await openRedisBackend(server.url(), patient);
    await backend.put(record('known'));
    server.cli('SCRIPT', 'FLUSH');
    await Promise.all(Array.from({ length: 500 }, (_, n) => backend.put(record(`flushed-${n}`))));
    expect((await backend.get('flushed-499'))?.result).toBe(5);
  });

  test.each([
    'SIGTERM',
    'SIGKILL',
  ] as const)('who waits over a restart (%s) gets the results of before, of meanwhile and of after', async (signal) => {
    await using backend = await openRedisBackend(server.url(), patient);
    await using worker = await openRedisBackend(server.url(), patient);
    const ids = ['before', 'meanwhile', 'after'].map((when) => `restart-${signal}-${when}`);
    const [before = '', meanwhile = '', after = ''] = ids;
    for (const id of ids) await worker.put(record(id, 'STARTED'));
    const seen: string[] = [];
    const waiting = ids.map((id) =>
      new AsyncResult(id, backend).get({ ...patience, onProgress: ({ status }) => void seen.push(status) }),
    );
    await expect.poll(() => seen.length).toBe(3);
    await worker.put(record(before, 'SUCCESS', 1));
    await server.stop(signal);
    const put = worker.put(record(meanwhile, 'SUCCESS', 2));
    await server.start();
    await put;
    await worker.put(record(after, 'SUCCESS', 3));
    expect(await Promise.all(waiting)).toEqual([1, 2, 3]);
    expect(seen).toEqual(['STARTED', 'STARTED', 'STARTED']);
    await subscribed(0);
  });

  test('a result that is written while the subscription is broken is not missed', async () => {
    await using backend = await openRedisBackend(server.url(), patient);
    await using worker = await openRedisBackend(server.url(), patient);
    for (let n = 0; n < scaled(12, 60); n++) {
      const id = `broken-${n}`;
      const waiting = new AsyncResult(id, backend).get(patience);
      if (n % 3 > 0) await subscribed(1);
      const broken = Promise.resolve().then(() => server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub'));
      if (n % 2 === 0) await broken;
      await worker.put(record(id, 'SUCCESS', n));
      expect(await waiting).toBe(n);
      await broken;
    }
    await subscribed(0);
  });

  test('an outage longer than the deadline does not end a wait that had begun', async () => {
    await using backend = await openRedisBackend(server.url(), { ...soon, answerMs: 3000 });
    await using worker = await openRedisBackend(server.url(), patient);
    await worker.put(record('long', 'STARTED'));
    const seen: string[] = [];
    const waiting = new AsyncResult('long', backend).get({
      ...patience,
      onProgress: ({ status }) => void seen.push(status),
    });
    await expect.poll(() => seen).toEqual(['STARTED']);
    await server.stop('SIGKILL');
    const gets = [backend.get('long'), backend.get('long')];
    for (const get of gets) await expect(get).rejects.toThrow(BrokerUnavailable);
    await server.start();
    await worker.put(record('long', 'SUCCESS', 'late'));
    expect(await waiting).toBe('late');
  });

  test('a subscription that has died without a word is noticed', async () => {
    // It is asked every five seconds whether it lives: here ten times as often.
    const { setInterval: pulse } = globalThis;
    const hurried = vi
      .spyOn(globalThis, 'setInterval')
      .mockImplementation(((run: () => void, ms: number) =>
        pulse(run, ms === 5000 ? 500 : ms)) as typeof setInterval);
    try {
      await using relay = await Relay.to(server.port);
      const url = `redis://127.0.0.1:${relay.port}/0`;
      await using backend = await openRedisBackend(url, { ...soon, answerMs: 2000 });
      await using worker = await openRedisBackend(server.url(), patient);
      await until(() => isDone(backend.get('deaf')));
      const waiting = new AsyncResult('deaf', backend).get(patience);
      await subscribed(1);
      expect(hurried.mock.calls.map(([, ms]) => ms)).toContain(5000);
      // What is asked first when the subscription is confirmed must have its answer: these are asked behind it.
      for (let asked = 0; asked < 3; asked++) await until(() => isDone(backend.get('deaf')));
      relay.silence();
      await worker.put(record('deaf', 'SUCCESS', 'heard'));
      expect(await waiting).toBe('heard');
    } finally {
      hurried.mockRestore();
    }
  });

  test('aborting and closing do not wait for a server that is gone', async () => {
    // Who waited for its answers would wait longer than we do.
    const backend = await openRedisBackend(server.url(), { ...patient, answerMs: 10 * patienceMs });
    const abort = new AbortController();
    const aborted = new AsyncResult('gone-1', backend).get({ signal: abort.signal });
    const closed = new AsyncResult('gone-2', backend).get();
    await subscribed(2);
    await server.stop('SIGKILL');
    try {
      const began = performance.now();
      abort.abort(new Error('enough'));
      await within(expect(aborted).rejects.toThrow('enough'), 'the end of one who gave up');
      const end = expect(closed).rejects.toThrow(/closed/);
      await within(backend.close(), 'the closing');
      await within(end, 'the end of one whose store closed');
      if (isLong) expect(performance.now() - began).toBeLessThan(2000);
    } finally {
      await server.start();
    }
  });

  test('a worker that cannot write a result keeps it until the server is back', async () => {
    await using app = new App('keeps', { broker: 'memory://redis-faults', backend: server.url() });
    const gate = { open: (): void => {} };
    const opened = new Promise<void>((resolve) => (gate.open = resolve));
    let began = (): void => {};
    const running = new Promise<void>((resolve) => (began = resolve));
    let runs = 0;
    const slow = app.task('slow', async () => {
      runs++;
      began();
      await opened;
      return 'kept';
    });
    await using worker = new Worker(app, { concurrency: 1 });
    await worker.start();
    const result = await slow.delay();
    await running;
    await server.stop('SIGKILL');
    gate.open();
    await server.start();
    expect(await result.get(patience)).toBe('kept');
    expect(runs).toBe(1);
  });
});

/** A wire to a server that loses answers, or breaks, when it is told to. */
class Relay implements AsyncDisposable {
  readonly port: number;
  cuts = 0;
  losesAll = false;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #silent = new WeakSet<object>();
  #loses = false;

  private constructor(port: number, server: Server, to: number) {
    this.port = port;
    this.#server = server;
    server.on('connection', (client) => this.#join(client, connect(to, '127.0.0.1')));
  }

  static async to(port: number): Promise<Relay> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Relay(address.port, server, port);
  }

  /** The next answer does not arrive: the connection breaks instead. */
  loseAnswer(): void {
    this.#loses = true;
  }

  /** Nothing comes any more over the connections of now, and nobody says so. */
  silence(): void {
    for (const pair of this.#pairs) this.#silent.add(pair);
  }

  cut(): void {
    this.cuts++;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.on('data', (data) => server.write(data));
    server.on('data', (data) => {
      if (this.losesAll || this.#silent.has(pair)) return;
      if (!this.#loses) return void client.write(data);
      this.#loses = false;
      this.cut();
    });
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  }
}
