// Passwords of servers, given apart from their URLs.
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { type AppOptions, resolveConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/errors.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

const difficult = 'a:b@c/1%2 ;#?"\'\\ü';
const encoded = encodeURIComponent(difficult);

test.each<[string, AppOptions, { broker: string; backend?: string | null }]>([
  [
    'of the broker is its store of results, too',
    { broker: 'redis://h/1' },
    { broker: `redis://:${encoded}@h/1`, backend: `redis://:${encoded}@h/1` },
  ],
  ['goes beside a user', { broker: 'amqp://u@h/v' }, { broker: `amqp://u:${encoded}@h/v`, backend: null }],
  ['needs no host', { broker: 'redis://' }, { broker: `redis://:${encoded}@` }],
  ['goes to a socket', { broker: 'unix:///r.sock' }, { broker: `unix://:${encoded}@/r.sock` }],
  [
    'goes to each of several, but not where there is one',
    { broker: ['redis://a', 'redis://:own@b', 'redis://c'] },
    { broker: `redis://:${encoded}@a;redis://:own@b;redis://:${encoded}@c` },
  ],
  ['is not for an embedded store', { broker: 'sqlite://a@b.db' }, { broker: 'sqlite://a@b.db' }],
  [
    'does not go to another server',
    { broker: 'redis://h/1', backend: 'postgresql://p/db' },
    { broker: `redis://:${encoded}@h/1`, backend: 'postgresql://p/db' },
  ],
  [
    'of results goes to their server alone',
    { broker: 'redis://:own@h/1', backend: 'postgresql://u@p/db', resultBackendPassword: 'x/y' },
    { broker: 'redis://:own@h/1', backend: 'postgresql://u:x%2Fy@p/db' },
  ],
  [
    'is not for results that are messages',
    { broker: 'amqp://h', backend: 'rpc://', resultBackendPassword: 'x' },
    { broker: `amqp://:${encoded}@h`, backend: 'rpc://' },
  ],
])('a password %s', (_, options, expected) => {
  const config = resolveConfig({ brokerPassword: difficult, ...options }, {});
  expect(config).toMatchObject(expected);
  expect(Object.keys(config)).not.toContain('brokerPassword');
});

test('they come from the environment, or in the spelling of Celery', () => {
  const variables = { UMBEL_BROKER_PASSWORD: 'b@', UMBEL_RESULT_BACKEND_PASSWORD: 'r@' };
  expect(resolveConfig({ broker: 'redis://h/0', backend: 'redis://h/1' }, variables)).toMatchObject({
    broker: 'redis://:b%40@h/0',
    backend: 'redis://:r%40@h/1',
  });
  expect(resolveConfig({ broker_url: 'redis://h/0', broker_password: 'c@' }, variables).broker).toBe(
    'redis://:c%40@h/0',
  );
});

test.each([123_456, '', ['123456'], { is: '123456' }])('%j is refused, and not shown', (value) => {
  const resolve = (): unknown => resolveConfig({ brokerPassword: value } as unknown as AppOptions, {}); // as JavaScript could
  expect(resolve).toThrow(ConfigError);
  expect(resolve).toThrow(/^'brokerPassword' must be text that is not empty, or null$/);
});

needs(test, noRedis)('with a difficult password a Redis takes messages and keeps results', async () => {
  await using server = await RedisServerProcess.start('--requirepass', difficult);
  await using app = new App('passwords', {
    broker: `redis://127.0.0.1:${server.port}/0`,
    backend: `redis://127.0.0.1:${server.port}/1`,
    brokerPassword: difficult,
    resultBackendPassword: difficult,
  });
  const add = app.task('add', (a: number, b: number) => a + b);
  await using worker = new Worker(app);
  await worker.start();
  expect(await (await add.delay(1, 2)).get()).toBe(3);
});
