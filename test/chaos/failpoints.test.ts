// A part of `npm run chaos` in each test run: 2 kills at one point on the embedded store and one on Redis (long run: 20 each).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { trialMs } from '../e2e/harness/trial.ts';
import { needs } from '../needs.ts';
import { isLong, scaled, seed } from '../run/scale.ts';
import { noRedis } from '../servers/redis.ts';
import { patienceMs } from '../until.ts';
import { cycle } from './harness/cycle.ts';
import { Servers } from './harness/places.ts';
import { type PlaceName, type Point, points } from './harness/points.ts';

const kills = scaled(2, 20);

// Beside each other: they wait for leases.
describe.concurrent('workers that are killed at a named point', { timeout: trialMs }, () => {
  it('on the embedded store, in the middle of a transaction, lose nothing', async () => {
    await killedAt('sqlite', 'sql.write:after');
  });

  needs(it, noRedis)('on Redis, when half of a request is written, lose nothing', async () => {
    await killedAt('redis', 'redis.batch:half');
  });
});

describe('the named points', () => {
  it('are at least thirty on every store', () => {
    for (const place of ['sqlite', 'redis', 'rabbitmq'] as const)
      expect(points.filter(({ places }) => places.includes(place)).length).toBeGreaterThanOrEqual(30);
  });

  it('are not in the package: they are in what the tests put around it', () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.js'),
    );
    expect(files.length).toBeGreaterThan(100);
    for (const file of files)
      expect(readFileSync(join(root, 'dist', file), 'utf8'), file).not.toMatch(/failpoint|umbel\.chaos/i);
  });
});

async function killedAt(name: PlaceName, where: string): Promise<void> {
  await using servers = await Servers.start(name);
  const point: Point | undefined = points.find((each) => each.name === where);
  if (point === undefined) throw new Error(`there is no point ${where}`);
  const limit = isLong ? {} : { limitMs: 1.5 * patienceMs };
  const found = await cycle(point, { place: servers.fresh(), pool: 'async', kills, seed, ...limit });
  expect(found.wrong, `UMBEL_SEED=${seed}`).toEqual([]);
  expect(found.kills).toBe(kills);
}
