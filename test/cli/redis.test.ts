// The command line on Redis, and without one.
import { describe, expect, test } from 'vitest';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { freePort, noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { project, shop, start, umbel, umbelProcess, workerOf } from './harness.ts';

const canary = 'canary-4e1';

needs(describe, noRedis)('umbel on Redis', () => {
  test('call, worker, result, purge and dead letters work as on the embedded store', async () => {
    const server = await RedisServerProcess.shared();
    const folder = project({ 'app.js': shop });
    const at = ['-b', server.url()];

    const worker = start(folder, ['-A', './app.js', 'worker', '--log-format', 'json', ...at]);
    await worker.said(/ready/);
    const called = await umbel(folder, [
      '-A',
      './app.js',
      'call',
      'shop.add',
      '-a',
      '[2, 3]',
      '--wait',
      '60',
      ...at,
    ]);
    expect(called).toMatchObject({ code: 0, stdout: '5\n' });
    const id = called.stderr.trim();
    expect(await umbel(folder, ['result', id, ...at])).toMatchObject({ code: 0, stdout: '5\n' });
    worker.kill('SIGTERM');
    expect((await worker.ended).code).toBe(0);

    await umbel(folder, ['call', 'shop.other', '--priority', 'low', ...at]);
    await umbel(folder, ['call', 'shop.other', '--countdown', '1h', ...at]);
    const purged = await umbel(folder, ['purge', '-f', '--json', ...at]);
    expect(JSON.parse(purged.stdout)).toEqual({ purged: { celery: 2 } });

    server.cli('LPUSH', 'celery', 'no message');
    const second = await workerOf(folder, {}, { env: { UMBEL_BROKER_URL: server.url() } });
    await until(async () => (await second.app.deadLetters.count()) === 1, 'the dead letter');
    await second.stop();
    const listed = JSON.parse((await umbel(folder, ['dead', 'list', '--json', ...at])).stdout);
    expect(listed).toMatchObject([{ reason: 'undecodable', queue: 'celery' }]);
    const shown = await umbel(folder, ['dead', 'show', String(listed[0].id), '--raw', ...at]);
    expect(shown.stdout).toBe('no message');
    expect((await umbel(folder, ['dead', 'replay', String(listed[0].id), ...at])).code).toBe(0);
    expect(server.cli('LLEN', 'celery')).toBe('1');
  });
});

describe('umbel without its broker', () => {
  const settings = (port: number): string => `
import { App } from 'umbel';
export const app = new App('shop', { broker: 'redis://user:${canary}@127.0.0.1:${port}/0', taskPublishTimeout: '300ms' });
app.task('shop.add', (x, y) => x + y);
`;

  test('says so in one line, with exit code 1, and without the password', async () => {
    const folder = project({ 'app.js': settings(await freePort()) });
    const { code, stdout, stderr } = await umbel(folder, [
      '-A',
      './app.js',
      'call',
      'shop.add',
      '-a',
      '[1, 2]',
    ]);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^umbel: .*\[UMBEL_BROKER_UNAVAILABLE\]$/m);
    const debug = await umbelProcess(folder, [
      '-A',
      './app.js',
      'call',
      'shop.add',
      '-a',
      '[1, 2]',
      '--debug',
    ]);
    expect(stderr + debug.stderr + debug.stdout).not.toContain(canary);
  });

  test('a worker waits for it, says so, shows no password, and ends at once when it is told to', async () => {
    const folder = project({ 'app.js': settings(await freePort()) });
    const worker = start(folder, ['-A', './app.js', 'worker', '--log-format', 'pretty', '-l', 'debug']);
    await worker.said(/user:\*\*@127/);
    await worker.said(/cannot start yet|away/);
    const begun = performance.now();
    worker.kill('SIGTERM');
    const { code, stdout, stderr } = await worker.ended;
    expect(code).toBe(0);
    if (isLong) expect(performance.now() - begun).toBeLessThan(5000);
    expect(stdout + stderr).not.toContain(canary);
  });
});
