import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { ConfigError } from '../../src/errors.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { FakeClock } from './fake-clock.ts';

async function probe(port: number | null, path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return [response.status, await response.text()];
}

it('answers probes while it runs, and closes its port when it stops', async () => {
  const worker = new Worker(new App('health', { broker: 'memory://' }), { health: { port: 0 } });
  await worker.start();
  const port = worker.healthPort;
  expect(await probe(port, '/livez')).toEqual([200, 'alive\n']);
  expect(await probe(port, '/readyz?full')).toEqual([200, 'ready\n']);
  expect((await probe(port, '/'))[0]).toBe(404);
  await worker.stop();
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
});

it('shows metrics of what it ran and did not run', async () => {
  await using app = new App('measured', { broker: 'memory://', backend: 'memory://' });
  const add = app.task('add', (x: number, y: number) => x + y);
  const fail = app.task('fail', { queue: 'other' }, () => {
    throw new Error('no');
  });
  await using worker = new Worker(app, {
    health: { port: 0 },
    queues: ['celery', 'other'],
    concurrency: 3,
    name: 'measured@here',
  });
  await worker.start();
  await (await add.delay(1, 2)).get(patience);
  await (await fail.delay()).get(patience).catch(() => undefined);
  await (await add.applyAsync([1, 2], { expires: new Date(0) })).get(patience).catch(() => undefined);
  const metrics = async (): Promise<string[]> => {
    const [status, text] = await probe(worker.healthPort, '/metrics');
    expect(status).toBe(200);
    return text.split('\n');
  };
  // A run is counted when it is settled, which is after its result is there.
  await expect
    .poll(metrics)
    .toContain('umbel_worker_messages_not_run_total{queue="celery",reason="expired"} 1');
  const lines = await metrics();
  expect(lines).toEqual(
    expect.arrayContaining([
      'umbel_worker_tasks_received_total{task="add",queue="celery"} 1',
      'umbel_worker_tasks_ended_total{task="add",queue="celery",outcome="success"} 1',
      'umbel_worker_tasks_ended_total{task="fail",queue="other",outcome="failure"} 1',
      'umbel_worker_task_runtime_seconds_count{task="add",queue="celery"} 1',
      'umbel_worker_task_wait_seconds_count{task="add",queue="celery"} 1',
      'umbel_worker_slots 3',
      'umbel_worker_tasks_running 0',
      'umbel_worker_broker_connected 1',
    ]),
  );
  // Each line is a comment or a sample, as Prometheus's parser has it.
  const form = /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? [-+.\deINFfan]+|)$/;
  expect(lines.filter((line) => !form.test(line))).toEqual([]);
});

needs(it, noRedis)('lives, and is not ready, while its broker is away', async () => {
  await using server = await RedisServerProcess.start();
  await using app = new App('health', { broker: `redis://127.0.0.1:${server.port}/0`, backend: null });
  await using worker = new Worker(app, { health: { port: 0 } });
  await worker.start();
  expect((await probe(worker.healthPort, '/readyz'))[0]).toBe(200);
  await server.stop();
  await expect
    .poll(() => probe(worker.healthPort, '/readyz'))
    .toEqual([503, expect.stringMatching(/the broker is away/)]);
  expect((await probe(worker.healthPort, '/livez'))[0]).toBe(200);
});

it('keeps a file young while it lives, and takes it away when it stops', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-health-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'alive');
  const clock = new FakeClock();
  const worker = new Worker(new App('health', { broker: 'memory://' }), { clock, health: { file } });
  await worker.start();
  const shown = (): number => Date.parse(readFileSync(file, 'utf8').trim());
  expect(shown()).toBe(clock.now());
  await clock.advance(10_000);
  await until(() => shown() === clock.now());
  await worker.stop();
  expect(existsSync(file)).toBe(false);
});

it('says at once that a port is taken, or a file cannot be written', async () => {
  const app = new App('health', { broker: 'memory://' });
  await using first = new Worker(app, { health: { port: 0 } });
  await first.start();
  const second = new Worker(app, { health: { port: first.healthPort ?? 0 } });
  await expect(second.start()).rejects.toThrow(ConfigError);
  const third = new Worker(app, { health: { file: '/nowhere/at/all' } });
  await expect(third.start()).rejects.toThrow(/heartbeat file '\/nowhere/);
});
