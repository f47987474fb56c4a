// The compose.yaml of examples/task-tracker. That its programs work on PostgreSQL and Redis: task-tracker.long.test.ts.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { type Config, composeConfig, expectWholeEnvExample, noCompose, readCompose } from './compose.ts';

const example = join(root, 'examples/task-tracker');
const secrets = { POSTGRES_PASSWORD: 'secret', REDIS_PASSWORD: 'secret', FLOWER_BASIC_AUTH: 'admin:secret' };

test('.env.example has every variable that compose.yaml takes from .env, and no secret', () => {
  expectWholeEnvExample(example, Object.keys(secrets));
});

test('web, worker and beat start without the dashboard', () => {
  const { services } = readCompose(example);
  const started = new Set<string>();
  const start = (name: string): void => {
    const service = services[name];
    if (service === undefined) throw new Error(`compose.yaml has no ${name}`);
    if (started.has(name)) return;
    started.add(name);
    for (const needed of Object.keys(service.depends_on ?? {})) start(needed);
  };
  for (const name of ['web', 'worker', 'beat']) start(name);
  expect([...started].sort()).toEqual(['beat', 'postgres', 'redis', 'web', 'worker']);
  expect(Object.keys(services)).toContain('dashboard');
});

needs(test, noCompose ?? inLongRun)('docker-compose reads compose.yaml and what a clone adds to it', () => {
  const { status, stdout, stderr } = composeConfig(
    example,
    ['compose.yaml', 'compose.override.yaml'],
    secrets,
  );
  expect(status, stderr).toBe(0);
  const config: Config = parse(stdout);
  const published = Object.entries(config.services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => [name, port]),
  );
  expect(published).toEqual([
    ['dashboard', '127.0.0.1:5555:5555/tcp'],
    ['mails', '127.0.0.1:8025:8025/tcp'],
    ['web', '127.0.0.1:8000:8000/tcp'],
  ]);
  expect(config.networks.private).toEqual({ internal: true });
  for (const name of ['postgres', 'redis'])
    expect(Object.keys(config.services[name]?.networks ?? {})).toEqual(['private']);
  for (const [name, service] of Object.entries(config.services))
    expect([name, service]).toEqual([
      name,
      expect.objectContaining({
        restart: 'unless-stopped',
        read_only: true,
        mem_limit: expect.any(String),
        ...(name !== 'postgres' && { cap_drop: ['ALL'], user: name === 'redis' ? 'redis' : 'node' }),
      }),
    ]);
  expect(config.services.mails?.build.context).toBe(root.replace(/\/$/, ''));
});
