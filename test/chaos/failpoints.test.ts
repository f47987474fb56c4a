// A part of `npm run chaos` in each test run.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noRedis } from '../servers/redis.ts';
import { cycle } from './harness/cycle.ts';
import { Servers } from './harness/places.ts';
import { type PlaceName, type Point, points } from './harness/points.ts';
import { preparePrograms } from './harness/programs.ts';

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);

beforeAll(preparePrograms, 90_000);

describe('workers that are killed at a named point', () => {
  it('on the embedded store, in the middle of a transaction, lose nothing', async () => {
    await killedAt('sqlite', 'sql.write:after');
  }, 60_000);

  needs(it, noRedis)(
    'on Redis, when half of a request is written, lose nothing',
    async () => {
      await killedAt('redis', 'redis.turn:half');
    },
    60_000,
  );
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
  const found = await cycle(point, { place: servers.fresh(), pool: 'async', kills: 2, seed });
  expect(found.wrong, `CHAOS_SEED=${seed}`).toEqual([]);
  expect(found.kills).toBe(2);
}
