// A part of `npm run chaos -- --what faults` in each test run: one failover there and back while chords run (long run: ten, and refusals, with
// results beside RabbitMQ, too).
import { describe, expect, it } from 'vitest';
import { trialMs } from '../e2e/harness/trial.ts';
import { needs } from '../needs.ts';
import { isLong, scaled, seed } from '../run/scale.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { patienceMs } from '../until.ts';
import { faults, harm } from './harness/faults.ts';
import { Servers } from './harness/places.ts';
import type { PlaceName } from './harness/points.ts';

const cases: readonly (readonly [string, PlaceName])[] = [
  ['failover', 'redis'],
  ['failover', 'rabbitmq'],
  ['refusals', 'redis'],
  ['refusals', 'rabbitmq'],
];

needs(describe, noRedis ?? (isLong ? noRabbit : undefined))('chords', { timeout: trialMs }, () => {
  it.each(
    isLong ? cases : cases.slice(0, 1),
  )('of which members end during a %s on %s lose nothing and run once', async (name, where) => {
    await using servers = await Servers.start(where);
    const fault = faults.find((each) => each.name === name);
    if (fault === undefined) throw new Error(`there is no fault ${name}`);
    const limit = isLong ? {} : { limitMs: 1.5 * patienceMs };
    const found = await harm(fault, {
      place: servers.fresh(),
      pool: 'async',
      kills: scaled(1, 10),
      seed,
      ...limit,
    });
    expect(found.wrong, `UMBEL_SEED=${seed}`).toEqual([]);
    // Where a store cannot rule out repeats they are not judged; on Redis nobody died, so nothing may have begun twice.
    if (where === 'redis') expect(found.repeats).toBe(0);
  });
});
