// The tests of examples/task-tracker itself: its API, its pages, its outbox under `kill -9`; embedded, and on the servers of a deployment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { scaled, seed } from '../run/scale.ts';
import { noPostgres, PostgresServerProcess } from '../servers/postgres.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';

const rounds = scaled(3, 20);
const timeoutMs = 1_200_000;

/** Runs `npm test` there; `files` chooses some of its files. */
async function itsTests(settings: Readonly<Record<string, string>>, ...files: string[]): Promise<void> {
  const env = { ...process.env, ...settings, TRACKER_ROUNDS: String(rounds), TRACKER_SEED: String(seed) };
  const tests = spawn(process.execPath, [join(root, 'examples/task-tracker/test.mjs'), ...files], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: where this test fails meanwhile, all of it ends
  });
  onTestFinished(() => {
    if (tests.exitCode === null && tests.pid !== undefined) process.kill(-tests.pid, 'SIGKILL');
  });
  let output = '';
  for (const stream of [tests.stdout, tests.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [code] = await once(tests, 'exit');
  for (const [line] of output.matchAll(/^# .*Message-ID$/gm)) console.log(line);
  expect(code, output).toBe(0);
}

test('on SQLite and the embedded store', { timeout: timeoutMs }, () => itsTests({}));

needs(describe, noPostgres ?? noRedis)('on PostgreSQL and Redis', () => {
  // The pages want the sample data alone; the others leave many tasks behind.
  test.for([['pages'], ['api', 'outbox', 'parts']])('%s', { timeout: timeoutMs }, async (files) => {
    await using postgres = await PostgresServerProcess.shared();
    await using redis = await RedisServerProcess.start();
    await itsTests({ DATABASE_URL: postgres.url(), REDIS_URL: redis.url() }, ...files);
  });
});

needs(test, noPostgres)(
  'on a PostgreSQL that crashes while people make tasks',
  { timeout: timeoutMs },
  async () => {
    await using postgres = await PostgresServerProcess.start();
    let isOver = false;
    const tests = itsTests({ DATABASE_URL: postgres.url() }, 'outbox').finally(() => {
      isOver = true;
    });
    const count = async (): Promise<number> => {
      const [row] = await postgres.sql('SELECT count(*)::int AS count FROM tasks').catch(() => []);
      return Number(row?.count ?? 0);
    };
    let crashes = 0;
    let made = 0;
    for (; crashes < 3; crashes++) {
      // One by one: on a busy machine thirty take minutes, while their programs are killed and started.
      for (const enough = made + 30; made < enough && !isOver; )
        await until(async () => {
          const before = made;
          made = Math.max(made, await count());
          return isOver || made > before;
        }, 'another task');
      if (isOver) break;
      await postgres.stop('SIGQUIT'); // it and its children end at once, and recover from the log at the next start
      await postgres.start();
    }
    await tests;
    expect(crashes).toBe(3);
  },
);

needs(test, noRedis)('on a Redis that falls silent', { timeout: timeoutMs }, async () => {
  await using redis = await RedisServerProcess.start();
  await itsTests({ REDIS_URL: redis.url(), REDIS_PID: String(redis.pid) }, 'frozen');
});

needs(test, noPostgres ?? noRedis ?? noRabbit)(
  'on PostgreSQL, with RabbitMQ as the broker and Redis as the cache',
  { timeout: timeoutMs },
  async () => {
    await using postgres = await PostgresServerProcess.shared();
    await using redis = await RedisServerProcess.start();
    await using rabbitmq = await RabbitServerProcess.start();
    const settings = {
      DATABASE_URL: postgres.url(),
      REDIS_URL: redis.url(),
      UMBEL_BROKER_URL: rabbitmq.url(),
    };
    await itsTests(settings, 'api', 'outbox');
  },
);
