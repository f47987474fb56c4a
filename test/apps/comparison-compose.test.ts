// The compose.yaml of examples/comparison. That its programs do what they say: comparison.test.ts and comparison.long.test.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { freePort } from '../servers/redis.ts';
import { until } from '../until.ts';
import {
  type Config,
  composeConfig,
  expectWholeEnvExample,
  noCompose,
  Program,
  readCompose,
} from './compose.ts';

const example = join(root, 'examples/comparison');
const secrets = { RABBITMQ_PASSWORD: 'secret', FLOWER_BASIC_AUTH: 'admin:secret' };

test('.env.example has every variable that compose.yaml takes from .env, and no secret', () => {
  expectWholeEnvExample(example, Object.keys(secrets));
});

test('messages outlive their container: RabbitMQ finds them in a volume, under the name of its host', () => {
  const { services } = readCompose(example);
  expect(services.rmq).toMatchObject({ hostname: 'rmq', volumes: ['rmq:/var/lib/rabbitmq'] });
});

needs(test, noCompose ?? inLongRun)('docker-compose reads compose.yaml and what a clone adds to it', () => {
  const { status, stdout, stderr } = composeConfig(
    example,
    ['compose.yaml', 'compose.override.yaml'],
    secrets,
  );
  expect(status, stderr).toBe(0);
  const { services, networks }: Config = parse(stdout);
  const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => [name, port]),
  );
  expect(published).toEqual([
    ['dashboard', '127.0.0.1:5555:5555/tcp'],
    ['web', '127.0.0.1:8080:8080/tcp'],
  ]);
  expect(networks.private).toEqual({ internal: true });
  for (const name of ['rmq', 'celery_worker'])
    expect(Object.keys(services[name]?.networks ?? {})).toEqual(['private']);
  for (const [name, service] of Object.entries(services))
    expect([name, service]).toEqual([
      name,
      expect.objectContaining({
        restart: 'unless-stopped',
        mem_limit: expect.any(String),
        ...(name !== 'rmq' && { read_only: true, cap_drop: ['ALL'], user: 'node' }),
      }),
    ]);
  expect(services.web?.build.context).toBe(root.replace(/\/$/, ''));
});

needs(test, noRabbit ?? inLongRun)(
  'its programs start as they are there, and TERM ends each of them, exit 0',
  async () => {
    await using rabbitmq = await RabbitServerProcess.shared();
    const url = rabbitmq.url(rabbitmq.vhost());
    const data = mkdtempSync(join(tmpdir(), 'umbel-comparison-'));
    onTestFinished(() => rmSync(data, { recursive: true, force: true, maxRetries: 3 }));
    const { services } = readCompose(example);
    const [page, port] = [await freePort(), await freePort()];
    const start = (name: string): Program => {
      const { command = [], environment = {} } = services[name] ?? {};
      const here: Record<string, string> = {
        ...{ RMQ_URL: url, UMBEL_BROKER_URL: url, HOST: '127.0.0.1', PORT: String(page), DATA: data },
        ...{ FLOWER_BASIC_AUTH: 'admin:secret', UMBEL_HISTORY_STORE: `sqlite://${join(data, 'history.db')}` },
        DASHBOARD_URL: `http://127.0.0.1:${port}`,
      };
      const env = Object.entries(environment).map(([key, value]) => [key, here[key] ?? value]);
      const local = command.map((part) => ({ '0.0.0.0': '127.0.0.1', 5555: String(port) })[part] ?? part);
      return new Program(local, example, { PATH: process.env.PATH ?? '', ...Object.fromEntries(env) });
    };
    const programs = [start('web'), start('celery_worker'), start('dashboard')] as const;
    const [web, worker, dashboard] = programs;
    await web.says(new RegExp(`Dashboard +http://127.0.0.1:${port}`));
    await worker.says(/ready/);
    await dashboard.says(/127\.0\.0\.1/);
    expect((await fetch(`http://127.0.0.1:${page}/`)).status).toBe(200);
    const healthy = async () => (await fetch(`http://127.0.0.1:${port}/healthcheck`)).status === 200;
    await until(healthy, 'the dashboard to have reached RabbitMQ');
    for (const program of programs)
      expect([await program.end('SIGTERM'), program.said]).toEqual([0, program.said]);
  },
);
