// What probes and Prometheus see of a beat.
import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Beat } from '../../src/beat/beat.ts';
import { ConfigError } from '../../src/errors.ts';
import { every } from '../../src/schedules/every.ts';
import { closeMemory, openMemory } from '../../src/stores/memory/memory.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

async function probe({ healthPort }: Beat, path: string): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${healthPort}${path}`);
  return [response.status, await response.text()];
}

/** The value of a metric, by its name and labels. */
async function metric(beat: Beat, name: string): Promise<number | undefined> {
  const [status, text] = await probe(beat, '/metrics');
  expect(status).toBe(200);
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

it('a beat shows what it sends; one that stands by is ready, and one that stops closes its port', async () => {
  const store = openMemory('beat-health');
  const app = new App('beat-health', { broker: 'memory://beat-health' });
  const add = app.task('add', (x: number, y: number) => x + y);
  app.schedule('often', every(0.05), add, { args: [2, 3] });
  app.schedule('wrong', every(0.05), add, {
    args: () => {
      throw new Error('no arguments');
    },
  });
  const options = { lease: 1, health: { port: 0 } };
  await using leader = new Beat(app, options);
  await leader.start();
  await expect.poll(() => metric(leader, 'umbel_beat_leads')).toBe(1);
  await expect
    .poll(() => metric(leader, 'umbel_beat_runs_total{schedule="often",outcome="sent"}'))
    .toBeGreaterThan(1);
  await expect
    .poll(() => metric(leader, 'umbel_beat_runs_total{schedule="wrong",outcome="failed"}'))
    .toBeGreaterThan(0);
  expect(await metric(leader, 'umbel_beat_run_lateness_seconds_count')).toBeGreaterThan(1);
  expect(await metric(leader, 'umbel_beat_schedules')).toBe(2);
  expect(await metric(leader, 'process_resident_memory_bytes')).toBeGreaterThan(0);

  await using second = new Beat(app, options);
  await second.start();
  await expect.poll(() => probe(second, '/readyz')).toEqual([200, 'ready\n']);
  expect(await metric(second, 'umbel_beat_leads')).toBe(0);
  const port = leader.healthPort;
  await leader.stop();
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  await expect.poll(() => metric(second, 'umbel_beat_leads')).toBe(1);
  await second.stop();
  await app.close();
  closeMemory(store);
});

it('a port that is taken is said at once, and a start that fails leaves no port open', async () => {
  await using app = new App('beat-port', { broker: 'memory://beat-port' });
  await using first = new Beat(app, { health: { port: 0 } });
  await first.start();
  const port = first.healthPort ?? 0;
  await using second = new Beat(app, { health: { port } });
  await expect(second.start()).rejects.toThrow(ConfigError);
  expect(second.healthPort).toBeNull();
});

needs(it, noRedis)('lives, and is not ready, while its store is away', async () => {
  await using server = await RedisServerProcess.start();
  await using app = new App('beat-away', { broker: server.url(), backend: null });
  await using beat = new Beat(app, { lease: 1, health: { port: 0 } });
  await beat.start();
  await expect.poll(() => probe(beat, '/readyz')).toEqual([200, 'ready\n']);
  await server.stop();
  await expect
    .poll(() => probe(beat, '/readyz'))
    .toEqual([503, 'not ready: the store of schedules does not answer\n']);
  expect((await probe(beat, '/livez'))[0]).toBe(200);
  expect(await metric(beat, 'umbel_beat_store_connected')).toBe(0);
});
