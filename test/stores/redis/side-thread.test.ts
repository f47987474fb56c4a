import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { RedisConnection } from '../../../src/stores/redis/client/connection.ts';
import { redisScript } from '../../../src/stores/redis/client/script.ts';
import { redisSettings } from '../../../src/stores/redis/client/settings.ts';
import { SideThread } from '../../../src/stores/redis/client/side-thread.ts';
import { needs } from '../../needs.ts';
import { makeCertificates, noOpenssl } from '../../servers/certificates.ts';
import { FaultProxy } from '../../servers/fault-proxy.ts';
import { freePort, noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { patienceMs } from '../../until.ts';
import type { ProbeTells } from './probe.thread.ts';

/** Says who it is, and one of each kind of answer. */
const script = redisScript(
  'probe',
  `if ARGV[1] == 'fail' then return redis.error_reply('ERR as asked') end
redis.call('INCR', KEYS[1])
return {7, 'größe', false, {'nested', {}}, redis.status_reply('FINE'), string.rep('x', 200000)}`,
);

const probe = fileURLToPath(new URL('probe.thread.ts', import.meta.url));
const [program] = buildSync({
  entryPoints: [probe],
  bundle: true,
  write: false,
  platform: 'node',
  format: 'cjs',
}).outputFiles.map(({ text }) => text);

const answer = [7, 'größe', null, ['nested', []], 'FINE', 'x'.repeat(200_000)];

needs(describe, noRedis)('the connection of a thread', () => {
  test('understands all that a script may answer, in the database of the URL, also when the script was not known', async () => {
    await using server = await RedisServerProcess.start();
    await using thread = await Thread.at(server.url(3));
    expect(await thread.ask('go')).toEqual(answer);
    server.cli('SCRIPT', 'FLUSH');
    expect(await thread.ask('go')).toEqual(answer);
    expect(await thread.ask('fail')).toBe('ERR as asked');
    expect(server.cli('-n', '3', 'GET', 'probe')).toBe('2');
  });

  test('has the user of the URL, and goes through a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'umbel-side-'));
    try {
      const socket = join(folder, 'redis.sock');
      await using server = await RedisServerProcess.start('--unixsocket', socket);
      server.cli('ACL', 'SETUSER', 'shop', 'on', '>sécret', '~*', '&*', '+@all');
      await using byPort = await Thread.at(server.url().replace('//', '//shop:s%C3%A9cret@'));
      expect(await byPort.ask('go')).toEqual(answer);
      expect(server.cli('CLIENT', 'LIST').match(/user=shop/g)).toHaveLength(2);
      await using byPath = await Thread.at(`unix://${socket}?db=1`);
      expect(await byPath.ask('go')).toEqual(answer);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  needs(test, noOpenssl)('goes by TLS, with the certificates that were given', async () => {
    using certificates = makeCertificates();
    const { ca, server: own, client } = certificates;
    const port = await freePort();
    const tls = {
      '--tls-port': port,
      '--tls-cert-file': own.cert,
      '--tls-key-file': own.key,
      '--tls-ca-cert-file': ca,
    };
    await using _ = await RedisServerProcess.start(
      ...Object.entries(tls).flat().map(String),
      '--tls-auth-clients',
      'yes',
    );
    const query = `ssl_ca_certs=${ca}&ssl_certfile=${client.cert}&ssl_keyfile=${client.key}`;
    await using thread = await Thread.at(`rediss://localhost:${port}/0?${query}`);
    expect(await thread.ask('go')).toEqual(answer);
  });

  test('is made anew when it is cut, and when no answer comes', async () => {
    await using server = await RedisServerProcess.start();
    await using proxy = await FaultProxy.before(server.port);
    await using thread = await Thread.at(`redis://127.0.0.1:${proxy.port}/0`);
    expect(await thread.ask('go')).toEqual(answer);
    proxy.cut('reset');
    expect(await thread.ask('go')).toEqual(answer);
    proxy.weather = { silent: ['reply'] };
    const asked = thread.ask('go');
    await expect.poll(() => Number(server.cli('GET', 'probe'))).toBeGreaterThanOrEqual(3);
    proxy.heal();
    proxy.cut('reset');
    expect(await asked).toEqual(answer);
  });
});

/** A thread beside a connection, and what it said. */
class Thread implements AsyncDisposable {
  readonly #connection: RedisConnection;
  readonly #thread: SideThread<null, string, ProbeTells>;
  #said: (answer: unknown) => void = () => undefined;

  private constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#thread = new SideThread({
      connection,
      script,
      key: 'probe',
      program: program ?? '',
      answerMs: 1000,
      data: null,
      onMessage: ({ said }) => this.#said(said),
    });
  }

  static async at(url: string): Promise<Thread> {
    const connection = await RedisConnection.open(redisSettings(url, 'broker', {}));
    await connection.call(['PING'], { timeoutMs: patienceMs });
    return new Thread(connection);
  }

  ask(message: string): Promise<unknown> {
    return new Promise((resolve) => {
      this.#said = resolve;
      this.#thread.send(message);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.stop();
    await this.#connection.close();
  }
}
