// Nothing that a release has left in a store is lost on the next one: the stores of each release (scripts/release.mjs keeps them), and of this version as
// it would be released, are opened and worked off.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keepStores, keptApp, keptIn, restore } from '../../scripts/release-stores.mjs';
import { Schedules } from '../../src/beat/beat.ts';
import { storeVersion } from '../../src/stores/store-version.ts';
import { Worker } from '../../src/worker/worker.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

const kept = join(root, 'test/stores/releases');
const releases = existsSync(kept) ? readdirSync(kept) : [];

needs(describe, noRedis)('the stores of a release', () => {
  let place: string;
  let redis: RedisServerProcess;
  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'umbel-releases-'));
    redis = await RedisServerProcess.shared();
    await keepStores(join(place, 'next'), storeVersion);
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
    rmSync(place, { recursive: true, force: true });
  });

  const cases = [...releases, 'the next one'].flatMap(
    (release) =>
      [
        [release, 'sqlite'],
        [release, 'redis'],
      ] as const,
  );
  test.each(cases)('of %s, %s', async (release, kind) => {
    const left = keptIn(releases.includes(release) ? join(kept, release) : join(place, 'next'));
    const file = join(place, `${release}.db`);
    if (kind === 'sqlite') writeFileSync(file, left.file);
    else await restore(redis.url(), left.keys);
    await using app = await keptApp(kind === 'sqlite' ? `sqlite://${file}` : redis.url());
    const worker = new Worker(app, { queues: ['later'] });
    if (left.storeVersion !== storeVersion) {
      await expect(worker.start()).rejects.toMatchObject({ code: 'UMBEL_STORE_VERSION' });
      return;
    }
    await worker.start();
    const get = (id: string): Promise<unknown> => app.result(id).get({ timeout: 60 });
    expect(await Promise.all(['waiting', 'joined', 'done', 'first'].map(get))).toEqual([7, '2 4', 3, 2]);
    await worker.stop();
    await expect(get('failed')).rejects.toThrow('as it should');
    const queues = await app.queues.list(['later']);
    expect(queues.find(({ name }) => name === 'later')).toMatchObject({ ready: 0, scheduled: 1, claimed: 0 });
    expect((await app.queues.peek('later', { place: 'scheduled' }))[0]?.call).toMatchObject({ id: 'future' });
    expect(await app.queues.paused()).toMatchObject([{ kind: 'queue', name: 'held', by: 'kept' }]);
    for await (const letter of app.deadLetters.list())
      expect(letter).toMatchObject({ reason: 'unknown-task', call: { id: 'unknown' } });
    expect(await app.deadLetters.count()).toBe(1);
    await using schedules = await Schedules.open(app);
    expect(await schedules.get('nightly')).toMatchObject({
      task: 'kept.add',
      schedule: '0 3 * * * Europe/Berlin',
      args: [7, 8],
    });
  });
});
