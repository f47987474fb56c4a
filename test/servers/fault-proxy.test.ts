import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectAmqp } from 'amqplib';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { until } from '../until.ts';
import { FaultProxy } from './fault-proxy.ts';
import { framing } from './framing.ts';
import { noRabbit, RabbitServerProcess } from './rabbitmq.ts';
import { noRedis, RedisServerProcess } from './redis.ts';

const opened: AsyncDisposable[] = [];
const add = <T extends AsyncDisposable>(thing: T): T => {
  opened.push(thing);
  return thing;
};
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

/** A server that says back what it hears; `heard` is all of it. */
async function echo(): Promise<{ port: number; heard: () => string }> {
  let heard = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk;
      socket.write(chunk);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  add({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, heard: () => heard };
}

class Client implements AsyncDisposable {
  heard = '';
  /** `end`: as a server that closes; else the error's code. */
  readonly over: Promise<string>;
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => {
      this.heard += chunk;
    });
    this.over = new Promise((resolve) => {
      this.#socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      this.#socket.on('close', () => resolve('end'));
    });
  }

  say(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  async hears(text: string): Promise<void> {
    await expect.poll(() => this.heard, { interval: 5 }).toBe(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}

const client = (proxy: FaultProxy): Client => add(new Client(proxy.port));

describe('a proxy with faults', () => {
  it('changes nothing in good weather, and passes on how each side ends', async () => {
    const server = await echo();
    const proxy = add(await FaultProxy.before(server.port));
    const one = client(proxy);
    one.say('hello');
    await one.hears('hello');
    expect(proxy.connections).toHaveLength(1);
    await one[Symbol.asyncDispose]();
    await expect.poll(() => proxy.connections.length).toBe(0);
  });

  it('delays by the latency, in order, also when the weather gets better meanwhile', async () => {
    const proxy = add(await FaultProxy.before((await echo()).port));
    const one = client(proxy);
    proxy.weather = { latencyMs: 100 };
    const since = performance.now();
    one.say('first ');
    await until(() => proxy.connections[0]?.forwarded === 'first '.length); // it is on its way
    proxy.heal();
    one.say('second');
    await one.hears('first second');
    expect(performance.now() - since).toBeGreaterThan(95);
    if (isLong) expect(performance.now() - since).toBeLessThan(1000);
  });

  it('is as narrow as it was told to be', async () => {
    const proxy = add(await FaultProxy.before((await echo()).port));
    proxy.weather = { bytesPerSecond: 100_000 };
    const one = client(proxy);
    const since = performance.now();
    const text = 'x'.repeat(20_000); // 200 ms there, and the same time back
    one.say(text);
    await one.hears(text);
    expect(performance.now() - since).toBeGreaterThan(195);
  });

  it('ends or resets connections', async () => {
    const proxy = add(await FaultProxy.before((await echo()).port));
    for (const [how, seen] of [
      ['end', 'end'],
      ['reset', 'ECONNRESET'],
    ] as const) {
      const one = client(proxy);
      one.say('a');
      await one.hears('a');
      proxy.cut(how);
      expect(await one.over).toBe(seen);
    }
  });

  it('refuses, and takes again', async () => {
    const proxy = add(await FaultProxy.before((await echo()).port));
    proxy.isRefusing = true;
    expect(await client(proxy).over).toBe('end');
    proxy.heal();
    const one = client(proxy);
    one.say('a');
    await one.hears('a');
  });

  it('is silent in one direction or both, for all or for one, while the connection stands', async () => {
    const server = await echo();
    const proxy = add(await FaultProxy.before(server.port));
    const [one, two] = [client(proxy), client(proxy)];
    one.say('1');
    await one.hears('1');
    two.say('2');
    await two.hears('2');
    const [first] = proxy.connections;
    if (first === undefined) throw new Error('no connection');
    first.weather = { silent: ['reply'] };
    one.say('a');
    two.say('b');
    await two.hears('2b');
    await expect.poll(server.heard).toContain('a'); // it heard, we do not
    proxy.weather = { silent: ['request', 'reply'] };
    two.say('c');
    one.say('c');
    await expect.poll(() => proxy.connections.map(({ swallowed }) => swallowed)).toEqual([2, 1]);
    proxy.heal();
    // What missed something stays dead; those that come are well.
    two.say('d');
    const three = client(proxy);
    three.say('3');
    await three.hears('3');
    expect(two.heard).toBe('2b');
    expect(one.heard).toBe('1');
    expect(server.heard()).not.toContain('d');
    expect(server.heard()).not.toContain('c');
  });

  it('tears a connection in the middle of a word', async () => {
    const server = await echo();
    const proxy = add(await FaultProxy.before(server.port));
    const one = client(proxy);
    one.say('1');
    await one.hears('1');
    proxy.tear('request', 3);
    one.say('abcdef');
    await one.over;
    await expect.poll(server.heard).toBe('1abc');
  });
});

needs(describe, noRedis)('a proxy that loses what is said to Redis', () => {
  it('loses the n-th reply after the server has acted, and only that connection', async () => {
    const server = add(await RedisServerProcess.start());
    const proxy = add(await FaultProxy.before(server.port, 'redis'));
    const [one, two] = [client(proxy), client(proxy)];
    two.say('*1\r\n$4\r\nPING\r\n');
    await two.hears('+PONG\r\n');
    const loss = proxy.lose('reply', 2);
    const incr = '*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n';
    one.say(incr + incr + incr); // in one piece
    expect(await one.over).toBe('end');
    expect(one.heard).toBe(':1\r\n');
    expect(loss.lost).toBe('the answer to INCR');
    expect(Number(server.cli('GET', 'n'))).toBeGreaterThanOrEqual(2);
    two.say('*1\r\n$4\r\nPING\r\n');
    await two.hears('+PONG\r\n+PONG\r\n');
  });

  it('loses the n-th request before the server has heard of it', async () => {
    const server = add(await RedisServerProcess.start());
    const proxy = add(await FaultProxy.before(server.port, 'redis'));
    const loss = proxy.lose('request', 2);
    const one = client(proxy);
    one.say('*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n');
    await one.over;
    expect(server.cli('GET', 'n')).toBe('1');
    expect(loss).toMatchObject({ lost: 'INCR', seen: 2 });
  });
});

needs(describe, noRabbit)('a proxy that loses what is said to RabbitMQ', () => {
  it('loses the confirmation of a message that is in its queue', async () => {
    const server = await RabbitServerProcess.shared();
    const vhost = server.vhost();
    const proxy = add(await FaultProxy.before(server.port, 'amqp'));
    const url = server.url(vhost).replace(String(server.port), String(proxy.port));
    const connection = await connectAmqp(url);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue('q');
    const loss = proxy.lose('reply', 1);
    const failed = new Promise((resolve) => {
      channel.sendToQueue('q', Buffer.from('kept'), {}, resolve);
    });
    expect(await failed).toBeInstanceOf(Error);
    expect(loss.lost).toBe('basic.ack');
    expect(await server.queues(vhost)).toMatchObject([{ name: 'q', messages: 1 }]);
  });
});

describe('framing', () => {
  const inPieces = (protocol: 'redis' | 'amqp', bytes: Buffer, size: number): string[] => {
    const units = framing(protocol);
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size)
      for (const unit of units.push(bytes.subarray(at, at + size))) found.push(unit.bytes.toString('latin1'));
    return found;
  };

  it.each([1, 2, 3, 7, 1000])('finds each value of RESP 2 and 3, in pieces of %i', (size) => {
    const values = [
      '+OK\r\n',
      '-ERR \r no\r\n',
      ':12\r\n',
      '$5\r\na\r\nbc\r\n',
      '$-1\r\n',
      '$0\r\n\r\n',
      '*-1\r\n',
      '*0\r\n',
      '*2\r\n*1\r\n$1\r\na\r\n:1\r\n',
      '%1\r\n+a\r\n*1\r\n_\r\n',
      '~1\r\n#t\r\n',
      '>2\r\n+message\r\n,1.5\r\n',
      '(123\r\n',
      '!3\r\nERR\r\n',
      '=5\r\ntxt:a\r\n',
      '|1\r\n+ttl\r\n:1\r\n$1\r\nv\r\n',
    ];
    expect(inPieces('redis', Buffer.from(values.join(''), 'latin1'), size)).toEqual(values);
  });

  it.each([1, 5, 1000])('finds each frame of AMQP, in pieces of %i', (size) => {
    const frames = ['AMQP\0\0\x09\x01', '\x01\0\x01\0\0\0\x04\0\x3c\0\x50\xce', '\x08\0\0\0\0\0\0\xce'];
    expect(inPieces('amqp', Buffer.from(frames.join(''), 'latin1'), size)).toEqual(frames);
  });

  it('does not count heartbeats', () => {
    const [beat] = framing('amqp').push(Buffer.from('\x08\0\0\0\0\0\0\xce', 'latin1'));
    expect(beat).toMatchObject({ name: 'heartbeat', idle: true });
  });

  it('says when a stream is not what it should be', () => {
    expect(() => framing('redis').push(Buffer.from('HTTP/1.1\r\n'))).toThrow('not RESP');
    expect(() => framing('amqp').push(Buffer.from('\x01\0\x01\0\0\0\x01\0\x01', 'latin1'))).toThrow(
      'not AMQP',
    );
  });
});
