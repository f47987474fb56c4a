import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { BrokerUnavailable, ConfigError, StoreError } from '../../../src/errors.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { NotConnected, RedisClient } from '../../../src/stores/redis/client/client.ts';
import { RedisConnection, ReplyLost } from '../../../src/stores/redis/client/connection.ts';
import { classifyRedisError, movedTo } from '../../../src/stores/redis/client/errors.ts';
import { redisScript } from '../../../src/stores/redis/client/script.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { RedisSubscriber } from '../../../src/stores/redis/client/subscriber.ts';
import { openRedisTransport } from '../../../src/stores/redis/redis-transport.ts';
import { claimOne, idOf, publication } from '../../../src/testing/conformance.ts';
import { busy } from '../../busy.ts';
import { needs } from '../../needs.ts';
import { makeCertificates } from '../../servers/certificates.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { freePort, noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs, until, within } from '../../until.ts';

describe('the URL of a Redis server', () => {
  test.each([
    ['redis://', { endpoints: [{ host: 'localhost', port: 6379 }], db: 0, tls: null, username: null }],
    ['redis://:1234/7', { endpoints: [{ host: 'localhost', port: 1234 }], db: 7 }],
    ['redis://h:1234/7', { endpoints: [{ host: 'h', port: 1234 }], db: 7 }],
    ['redis://:p%40ss@h', { username: null, password: 'p@ss', db: 0 }],
    ['redis://shop:secret@[::1]:6380/1', { endpoints: [{ host: '::1', port: 6380 }], username: 'shop' }],
    ['redis://h:80', { endpoints: [{ host: 'h', port: 80 }] }],
    ['rediss://h', { tls: { rejectUnauthorized: true, checkHostname: true } }],
    ['rediss://h?ssl_cert_reqs=CERT_NONE', { tls: { rejectUnauthorized: false, checkHostname: true } }],
    ['unix:///run/redis.sock?db=3', { endpoints: [{ path: '/run/redis.sock' }], db: 3 }],
    [
      'unix://u:p%40ss@/run/redis.sock',
      { endpoints: [{ path: '/run/redis.sock' }], username: 'u', password: 'p@ss' },
    ],
    ['redis+socket:///run/redis.sock?virtual_host=4', { endpoints: [{ path: '/run/redis.sock' }], db: 4 }],
    [
      'redis://a/1;redis://b:7000/1',
      {
        endpoints: [
          { host: 'a', port: 6379 },
          { host: 'b', port: 7000 },
        ],
        db: 1,
      },
    ],
  ])('%s is understood', (url, expected) => {
    expect(redisSettings(url, 'broker')).toMatchObject(expected);
  });

  test('of sentinels comes with the name of the master', () => {
    const settings = redisSettings('sentinel://a:26379/2;sentinel://b/2', 'broker', { masterName: 'shop' });
    expect(settings.endpoints).toEqual([
      { host: 'a', port: 26379 },
      { host: 'b', port: 26379 },
    ]);
    expect(settings.sentinel?.masterName).toBe('shop');
    expect(() => redisSettings('sentinel://a/2', 'broker')).toThrow(/masterName/);
  });

  test.each([
    ['redis://u:secret@h/shop', {}, /database of Redis is a number/],
    ['redis://u:secret@h?mode=x', {}, /'\?mode' in the URL/],
    ['redis://u:secret#ret@h', {}, /'#' or '@'/],
    ['redis://u:secret@h/0;redis://u:secret@h/1', {}, /one database/],
    ['rediss://u:secret@h?ssl_ca_certs=/nowhere.pem', {}, /cannot read the certificate file/],
    ['redis://u:secret@h', { keyPrefx: 'x' }, /did you mean 'keyPrefix'/],
    ['redis://u:secret@h', { prioritySteps: [3, 6] }, /begins with 0/],
    ['redis://u:12#secret@h', {}, /%23/],
    ['unix://', {}, /path of a socket/],
  ])('%s with %o is refused by name, without its password', (url, driver, reason) => {
    const settings = (): unknown => redisSettings(url, 'broker', driver);
    expect(settings).toThrow(ConfigError);
    expect(settings).toThrow(reason);
    expect(String(thrown(settings))).not.toContain('secret');
    return undefined;
  });

  test('is shown without password, and names one store for all databases of a server', () => {
    const settings = redisSettings('redis://u:secret@h:1/0', 'broker');
    expect(settings.shown).toBe('redis://h:1/0');
    expect(redisSettings('redis://h:1/5', 'backend').store).toBe(settings.store);
    expect(redisSettings('redis://h:2/0', 'backend').store).not.toBe(settings.store);
  });
});

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", 'retry'],
  ['LOADING Redis is loading the dataset in memory', 'reconnect'],
  ['BUSY Redis is busy running a script.', 'retry'],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'retry'],
  ['MISCONF Redis is configured to save RDB snapshots', 'retry'],
  ['NOREPLICAS Not enough good replicas to write.', 'retry'],
  ['CLUSTERDOWN The cluster is down', 'retry'],
  ['NOSCRIPT No matching script.', 'retry'],
  ['UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)', 'retry'],
  ['NOPERM this user has no permissions to run the', 'retry'],
  ['EXECABORT Transaction discarded', 'retry'],
  ['ERR max number of clients reached', 'reconnect'],
  ['NOAUTH Authentication required.', 'reconnect'],
  ['WRONGPASS invalid username-password pair', 'reconnect'],
  ["READONLY You can't write against a read only replica.", 'rediscover'],
  ['MASTERDOWN Link with MASTER is down', 'rediscover'],
  ['MOVED 3999 127.0.0.1:6381', 'rediscover'],
  ['ASK 3999 127.0.0.1:6381', 'rediscover'],
  ['ERR Error running script (call to f_1): @user_script:1: -READONLY You cannot write', 'rediscover'],
  ["-OOM command not allowed when used memory > 'maxmemory'. script: abc, on @user_script:9.", 'retry'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'fatal'],
  ["CROSSSLOT Keys in request don't hash to the same slot", 'fatal'],
  ["ERR unknown command 'BLMOVE'", 'fatal'],
  ['ERR something nobody has seen', 'fatal'],
])('%s: %s', (message, kind) => {
  expect(classifyRedisError(message).kind).toBe(kind);
});

test('where the keys are is read from the answer', () => {
  expect(movedTo('MOVED 3999 127.0.0.1:6381')).toEqual({ host: '127.0.0.1', port: 6381 });
  expect(movedTo('MOVED 3999 ::1:6381')).toEqual({ host: '::1', port: 6381 });
  expect(movedTo('READONLY x')).toBeNull();
});

needs(describe, noRedis)('a connection to Redis', () => {
  const things: AsyncDisposable[] = [];
  const folders: string[] = [];
  const add = <T extends AsyncDisposable>(thing: T): T => {
    things.push(thing);
    return thing;
  };
  afterEach(async () => {
    for (const thing of things.splice(0).reverse()) await thing[Symbol.asyncDispose]();
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  const start = async (...options: string[]): Promise<RedisServerProcess> =>
    add(await RedisServerProcess.start(...options));
  const connect = async (url: string, driver: Record<string, unknown> = {}): Promise<RedisConnection> =>
    add(await RedisConnection.open(redisSettings(url, 'broker', driver)));
  const folder = (): string => {
    const path = mkdtempSync(join(tmpdir(), 'umbel-tls-'));
    folders.push(path);
    return path;
  };
  const soon = { timeoutMs: patienceMs };
  /** Until the answer comes again, whatever is thrown before. */
  const recovers = (connection: RedisConnection): Promise<void> =>
    expect.poll(() => connection.call(['PING'], { timeoutMs: 1000 }).catch(String)).toBe('PONG');
  /** Until it has been told that it may not come in, and why. */
  const refused = async (connection: RedisConnection, why: RegExp): Promise<void> => {
    await until(() => why.test(connection.state.reason ?? ''), `the reason ${why}`);
    const call = connection.call(['PING'], { timeoutMs: 100 });
    await expect(call).rejects.toThrow(BrokerUnavailable);
    await expect(call).rejects.toThrow(why);
  };

  test('has the database of the URL, and gives texts as bytes where that is asked for', async () => {
    const server = await start();
    const connection = await connect(server.url(3));
    await connection.call(['SET', 'key', 'value'], soon);
    expect(server.cli('-n', '3', 'GET', 'key')).toBe('value');
    expect(await connection.call(['GET', 'key'], { buffers: true })).toEqual(Buffer.from('value'));
  });

  test('goes through a unix socket', async () => {
    const path = join(folder(), 'redis.sock');
    await start('--unixsocket', path);
    expect(await (await connect(`unix://${path}?db=1`)).call(['PING'], soon)).toBe('PONG');
  });

  test('goes by TLS only to a server that proves who it is, with a certificate of its own where that is wanted', async () => {
    using certificates = makeCertificates();
    const { ca, server: own, client, stranger } = certificates;
    const port = await freePort();
    const tls = {
      '--tls-port': port,
      '--tls-cert-file': own.cert,
      '--tls-key-file': own.key,
      '--tls-ca-cert-file': ca,
      '--tls-auth-clients': 'yes',
      '--bind': '127.0.0.1 127.0.0.2',
    };
    await start(...Object.entries(tls).flat().map(String));
    const url = `rediss://localhost:${port}/0`;
    const ssl = { caCerts: ca, certfile: client.cert, keyfile: client.key };
    const comesIn = async (to: string, driver: Record<string, unknown> = {}): Promise<void> =>
      expect(await (await connect(to, driver)).call(['PING'], soon)).toBe('PONG');
    await comesIn(url, { ssl });
    await comesIn(`${url}?ssl_ca_certs=${ca}&ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`);
    await refused(await connect(url, { ssl: { ...ssl, caCerts: stranger } }), /certificate/i);
    await refused(await connect(url), /./);
    await refused(await connect(url, { ssl: { caCerts: ca } }), /./);
    const byAddress = `rediss://127.0.0.2:${port}/0`;
    await refused(await connect(byAddress, { ssl }), /127\.0\.0\.2/);
    await comesIn(byAddress, { ssl: { ...ssl, checkHostname: false } });
    await comesIn(byAddress, { ssl: { ...ssl, servername: 'localhost' } });
    await comesIn(url, { ssl: { ...ssl, certReqs: 'none', caCerts: undefined } });
  });

  test('keeps trying while its user is not let in, says why, and goes on when it is', async () => {
    const server = await start();
    server.cli('ACL', 'SETUSER', 'shop', 'on', '>secret', '~*', '&*', '+@all');
    const connection = await connect(server.url().replace('//', '//shop:secret@'));
    expect(await connection.call(['PING'], soon)).toBe('PONG');
    server.cli('ACL', 'SETUSER', 'shop', '-ping');
    await expect(connection.call(['PING'], soon)).rejects.toThrow(/no right to do this/);
    server.cli('ACL', 'SETUSER', 'shop', 'off');
    server.cli('CLIENT', 'KILL', 'USER', 'shop');
    await refused(connection, /user and password/);
    expect(connection.state).toMatchObject({ connected: false });
    expect(connection.state.reason).not.toContain('secret');
    server.cli('ACL', 'SETUSER', 'shop', 'on', '+ping');
    await recovers(connection);
  });

  test('tries the URLs one after the other, also when the one that it has goes away', async () => {
    const [first, second] = [await start(), await start()];
    const gone = await freePort();
    const connection = await connect(`redis://127.0.0.1:${gone}/0;${first.url()};${second.url()}`);
    await connection.call(['SET', 'who', 'first'], soon);
    await first.stop('SIGKILL');
    second.cli('SET', 'who', 'second');
    await expect
      .poll(() => connection.call(['GET', 'who'], { timeoutMs: 2000 }).catch(String))
      .toBe('second');
  });

  test('leaves a server that has become a replica', async () => {
    const [first, second] = [await start(), await start()];
    const connection = await connect(`${first.url()};${second.url()}`);
    await connection.call(['SET', 'a', '1'], soon);
    first.cli('REPLICAOF', '127.0.0.1', String(second.port));
    await expect(connection.call(['SET', 'a', '2'], soon)).rejects.toThrow(/replica now/);
    await expect.poll(() => connection.call(['SET', 'a', '3'], { timeoutMs: 2000 }).catch(String)).toBe('OK');
    expect(second.cli('GET', 'a')).toBe('3');
  });

  test('asks the sentinels where the master is, and follows a failover with work in hand', async () => {
    const [master, replica] = [await start(), await start()];
    replica.cli('REPLICAOF', '127.0.0.1', String(master.port));
    await expect.poll(() => replica.cli('INFO', 'replication')).toContain('master_link_status:up');
    const place = folder();
    const port = await freePort();
    const config = join(place, 'sentinel.conf');
    writeFileSync(
      config,
      `sentinel monitor shop 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds shop 2000\nsentinel failover-timeout shop 3000\n`,
    );
    const sentinel = add(await RedisServerProcess.startSentinel(config, port));
    await expect.poll(() => sentinel.cli('SENTINEL', 'REPLICAS', 'shop')).toContain(String(replica.port));
    const nobody = await freePort();
    const url = `sentinel://127.0.0.1:${nobody}/0;sentinel://127.0.0.1:${port}/0`;
    const options = { queues: [], driver: { masterName: 'shop' } };
    const transport = add(await openRedisTransport(url, options));
    const consumer = await transport.consume({ queues: ['celery'], name: 'failover', leaseMs: 15_000 });
    await transport.publish([publication('before')], soon);
    const held = await claimOne(consumer);
    await expect
      .poll(() => replica.cli('HLEN', `umbel:claimed:${replica.cli('ZRANGE', 'umbel:consumers', '0', '-1')}`))
      .toBe('1');
    await master.stop('SIGKILL');
    await expect.poll(() => replica.cli('INFO', 'replication')).toContain('role:master');
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
    const claiming = claimOne(consumer);
    await transport.publish([publication('after')], soon);
    expect(idOf(await claiming)).toBe('after');
  });

  const cluster = async (count: number): Promise<RedisServerProcess[]> => {
    const nodes: RedisServerProcess[] = [];
    for (let n = 0; n < count; n++)
      nodes.push(await start('--cluster-enabled', 'yes', '--cluster-port', String(await freePort())));
    return nodes;
  };

  test('runs every script in a cluster when the prefix keeps the keys in one slot', async () => {
    const [node] = await cluster(1);
    if (node === undefined) throw new Error('no node');
    node.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await expect.poll(() => node.cli('CLUSTER', 'INFO')).toContain('cluster_state:ok');
    const transport = add(
      await openRedisTransport(node.url(), { queues: [], driver: { keyPrefix: '{shop}:' } }),
    );
    const consumer = await transport.consume({ queues: ['celery'], name: 'cluster', leaseMs: 15_000 });
    await transport.publish([publication('a'), publication('b', { priority: 9 }), publication('c')]);
    await (await claimOne(consumer)).settle({ kind: 'ack' });
    await (await claimOne(consumer)).settle({ kind: 'dead', reason: 'rejected', detail: 'no' });
    await (await claimOne(consumer)).settle({ kind: 'release', until: new Date(Date.now() + 50) });
    expect(idOf(await claimOne(consumer))).toBe('b');
    const [letter] = await transport.deadLetters.list();
    expect(letter && (await transport.deadLetters.replay(letter.id))).toBe(true);
    await transport.maintain();
    expect(await transport.size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 1 });
    expect(await transport.purge('celery')).toBe(1);
  });

  test('in a cluster of three it is told where its keys are and goes there, with all that was under way', async () => {
    const nodes = await cluster(3);
    const [one, two, three] = nodes;
    if (one === undefined || two === undefined || three === undefined) throw new Error('no nodes');
    one.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '5000');
    two.cli('CLUSTER', 'ADDSLOTSRANGE', '5001', '10000');
    three.cli('CLUSTER', 'ADDSLOTSRANGE', '10001', '16383');
    for (const node of [two, three]) {
      const [, bus] = /:(\d+)@(\d+)/.exec(node.cli('CLUSTER', 'NODES'))?.slice(1) ?? [];
      one.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(bus));
    }
    for (const node of nodes)
      await expect
        .poll(() => node.cli('CLUSTER', 'INFO'))
        .toMatch(/cluster_state:ok[\s\S]*cluster_known_nodes:3/);
    const slot = Number(one.cli('CLUSTER', 'KEYSLOT', '{shop}:celery'));
    const owner = slot <= 5000 ? one : slot <= 10_000 ? two : three;
    const asked = nodes.find((node) => node !== owner) ?? one;
    const driver = { keyPrefix: '{shop}:' };
    const connection = await connect(asked.url(), driver);
    const script = redisScript('push', "return redis.call('RPUSH', KEYS[1], ARGV[1])");
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => connection.run(script, ['{shop}:list'], [String(n)], soon)),
    );
    // Each once, and none in doubt.
    expect(answers.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
    expect(connection.endpoint).toEqual({ host: '127.0.0.1', port: owner.port });
    const transport = add(await openRedisTransport(asked.url(), { queues: [], driver }));
    const consumer = await transport.consume({ queues: ['celery'], name: 'cluster', leaseMs: 15_000 });
    await transport.publish([publication('a')], soon);
    const held = await claimOne(consumer);
    expect(await held.settle({ kind: 'ack' })).toBe('settled');
    await expect(connection.run(script, ['elsewhere', '{shop}:list'], ['x'], soon)).rejects.toThrow(
      /keyPrefix/,
    );
  });

  test('a script that the server has forgotten is sent again', async () => {
    const server = await start();
    const connection = await connect(server.url());
    const script = redisScript('echo', 'return ARGV[1]');
    expect(await connection.run(script, [], ['a'])).toBe('a');
    server.cli('SCRIPT', 'FLUSH');
    expect(await connection.run(script, [], ['b'])).toBe('b');
  });

  test('a server that is full refuses writes, says how to mend it, and takes them again after that', async () => {
    const server = await start();
    const connection = await connect(server.url());
    await connection.call(['SET', 'a', '1'], soon);
    server.cli('CONFIG', 'SET', 'maxmemory', '1');
    const refused = connection.call(['SET', 'a', '2'], soon);
    await expect(refused).rejects.toThrow(BrokerUnavailable);
    await expect(refused).rejects.toThrow(/out of memory: raise maxmemory/);
    const write = redisScript('write', "return redis.call('SET', KEYS[1], 'x')");
    await expect(connection.run(write, ['a'], [], soon)).rejects.toThrow(/out of memory/);
    expect(await connection.call(['GET', 'a'], soon)).toBe('1');
    server.cli('CONFIG', 'SET', 'maxmemory', '0');
    expect(await connection.call(['SET', 'a', '3'], soon)).toBe('OK');
  });

  test('a server that loads its data is waited for', async () => {
    const server = await start('--enable-debug-command', 'yes', '--save', '3600 1');
    const [connection, other] = [await connect(server.url()), await connect(server.url())];
    await connection.call(['SET', 'a', '1'], soon);
    await other.call(['PING'], soon);
    server.cli('DEBUG', 'POPULATE', '1500', 'key', '100');
    server.cli('CONFIG', 'SET', 'loading-process-events-interval-bytes', '1024');
    server.cli('CONFIG', 'SET', 'key-load-delay', '400');
    const errors: unknown[] = [];
    const loads = async (): Promise<boolean> => {
      let isOver = false;
      const reload = connection.call(['DEBUG', 'RELOAD'], soon).then(() => {
        isOver = true;
      });
      await until(async () => {
        const answer = await other.call(['GET', 'a'], soon).catch((error: unknown) => errors.push(error));
        return answer === '1' && isOver;
      });
      await reload;
      return errors.length > 0; // else it was loaded before it was asked
    };
    await until(loads);
    for (const error of errors) expect(error).toBeInstanceOf(BrokerUnavailable);
    expect(String(errors[0])).toMatch(/loading its data/);
  });

  test.each([
    'SIGTERM',
    'SIGKILL',
  ] as const)('after a restart (%s) it is there again by itself, and each call has said what became of it', async (signal) => {
    const server = await start();
    const connection = await connect(server.url());
    const states: boolean[] = [];
    connection.onState(({ connected }) => states.push(connected));
    await connection.call(['PING'], soon);
    const waiting = connection.call(['BLPOP', 'nothing', '0'], { timeoutMs: null });
    await Promise.all([server.stop(signal), expect(waiting).rejects.toThrow(ReplyLost)]);
    await expect(connection.call(['PING'], { timeoutMs: 200 })).rejects.toThrow(/cannot be reached/);
    await server.start();
    await recovers(connection);
    // What is wrong may change in between.
    expect(states.filter((state, n) => state !== states[n - 1])).toEqual([true, false, true]);
  });

  test('a connection that is killed on the server is made anew', async () => {
    const server = await start();
    const connection = await connect(server.url());
    const id = String(await connection.call(['CLIENT', 'ID'], soon));
    server.cli('CLIENT', 'KILL', 'ID', id);
    await recovers(connection);
    expect(String(await connection.call(['CLIENT', 'ID'], soon))).not.toBe(id);
  });

  test('a server that accepts and then says nothing does not keep it from the next', async () => {
    const [frozen, good] = [await start(), await start()];
    frozen.signal('SIGSTOP');
    const connection = await connect(`${frozen.url()};${good.url()}`, { socketConnectTimeout: 0.3 });
    expect(await connection.call(['PING'], soon)).toBe('PONG');
    expect(connection.endpoint).toEqual({ host: '127.0.0.1', port: good.port });
    frozen.signal('SIGCONT');
  });

  test('ends at once, also while it looks for a server', async () => {
    const frozen = await start();
    frozen.signal('SIGSTOP');
    for (const [url, driver] of [
      [frozen.url(), {}],
      [`sentinel://127.0.0.1:${frozen.port}/0`, { masterName: 'shop' }],
    ] as const) {
      // Who waited for the server would wait longer than we do.
      const connection = await connect(url, { ...driver, socketConnectTimeout: 300 });
      const waiting = connection.call(['PING'], { timeoutMs: null });
      const ends = [connection.close(), expect(waiting).rejects.toThrow(/is closed|cannot be reached/)];
      await within(Promise.all(ends), 'the end');
    }
    frozen.signal('SIGCONT');
  });

  test('a call ends with its signal: not done while there is no server, not known when it was written', async () => {
    const server = await start();
    const connection = await connect(server.url());
    await connection.call(['PING'], soon);
    const ending = new AbortController();
    const written = connection.call(['BLPOP', 'nothing', '0'], { timeoutMs: null, signal: ending.signal });
    ending.abort(new Error('enough'));
    await expect(written).rejects.toThrow(ReplyLost);
    const nowhere = await connect(`redis://127.0.0.1:${await freePort()}`);
    const stopped = new AbortController();
    const waiting = nowhere.call(['PING'], { timeoutMs: null, signal: stopped.signal });
    stopped.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  test('a server that has no room for more connections is waited for', async () => {
    const server = await start();
    const connection = await connect(server.url());
    await connection.call(['PING'], soon);
    server.cli('CONFIG', 'SET', 'maxclients', '1');
    server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const other = await connect(server.url());
    const isShut = ({ state }: RedisConnection): boolean => /maxclients/.test(state.reason ?? '');
    await until(
      () => [connection, other].some(isShut) && [connection, other].some(({ state }) => state.connected),
    );
    const shut = connection.state.connected ? other : connection;
    await refused(shut, /maxclients/);
    await (connection.state.connected ? connection : other).call(
      ['CONFIG', 'SET', 'maxclients', '100'],
      soon,
    );
    await recovers(shut);
  });

  test('an answer that arrived while the process was busy is heard, however long ago its deadline was', async () => {
    const connection = await connect((await start()).url());
    await connection.call(['PING'], soon);
    const answer = connection.call(['ECHO', 'here'], { timeoutMs: 50 });
    busy(500);
    expect(await answer).toBe('here');
    expect(connection.state.connected).toBe(true);
  });

  test('a server that hears nothing is noticed at the deadline, and left', async () => {
    const server = await start();
    const connection = await connect(server.url());
    await connection.call(['PING'], soon);
    server.signal('SIGSTOP');
    await expect(connection.call(['SET', 'a', '1'], { timeoutMs: 300 })).rejects.toThrow(ReplyLost);
    await expect.poll(() => connection.state.connected).toBe(false);
    server.signal('SIGCONT');
    await recovers(connection);
  });

  test('a server that is no Redis is named by what it says', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await once(other, 'listening');
    try {
      const { port } = other.address() as AddressInfo;
      const client = new RedisClient({ socket: { host: '127.0.0.1', port }, database: 0 });
      await expect(client.connected()).rejects.toThrow('no answer of Redis: "HTTP/1.1 400 Bad Request"');
      await expect(client.call(['PING'])).rejects.toThrow(NotConnected);
    } finally {
      other.close();
    }
  });

  test('a client that is closed answers what was asked before, and no more', async () => {
    const { port } = await start();
    const ended = deferred<Error>();
    const client = new RedisClient({ socket: { host: '127.0.0.1', port } }, ended.resolve);
    await client.connected();
    const asked = client.call(['ECHO', 'here']);
    client.close();
    await expect(client.call(['PING'])).rejects.toThrow(NotConnected);
    expect(await asked).toBe('here');
    await ended.promise;
    expect(client.isOpen).toBe(false);
  });

  test('a command with a wrong key type fails for good, and says so', async () => {
    const server = await start();
    const connection = await connect(server.url());
    await connection.call(['SET', 'text', 'x'], soon);
    await expect(connection.call(['LPUSH', 'text', 'y'])).rejects.toThrow(StoreError);
    expect(await connection.call(['PING'])).toBe('PONG');
  });

  test('a subscription comes back after the connection was cut, and its listener is told of the gap', async () => {
    const server = await start();
    const subscriber = add(new RedisSubscriber(redisSettings(server.url(), 'backend')));
    const heard: string[] = [];
    let gaps = 0;
    subscriber.onGap(() => gaps++);
    const listener = (message: string): void => void heard.push(message);
    await subscriber.subscribe('channel', listener);
    server.cli('PUBLISH', 'channel', 'one');
    await expect.poll(() => heard).toEqual(['one']);
    server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect.poll(() => gaps).toBe(1);
    server.cli('PUBLISH', 'channel', 'two');
    await expect.poll(() => heard).toEqual(['one', 'two']);
    await subscriber.unsubscribe('channel', listener);
    await expect.poll(() => server.cli('PUBSUB', 'CHANNELS')).toBe('');
  });

  test('a connection that ends before the server has confirmed is no refusal: the next one subscribes', async () => {
    const server = await start();
    await using proxy = await FaultProxy.before(server.port, 'redis');
    const subscriber = add(
      new RedisSubscriber(redisSettings(`redis://127.0.0.1:${proxy.port}/0`, 'backend')),
    );
    await subscriber.subscribe('first', () => undefined);
    const loss = proxy.lose('request', 1, 'SUBSCRIBE');
    const heard: string[] = [];
    await subscriber.subscribe('second', (message) => heard.push(message));
    expect(loss.lost).toBe('SUBSCRIBE');
    server.cli('PUBLISH', 'second', 'one');
    await expect.poll(() => heard).toEqual(['one']);
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
