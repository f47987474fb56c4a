// Unique tasks, apart from what is the same on every broker (`everywhere.test.ts`).

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DuplicateTaskError } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { patience, until } from '../until.ts';
import { newStore, recordIn } from './bench.ts';
import { appOn, workerOf } from './everywhere.ts';
import { withTask } from './unique-cases.ts';

describe('a unique task', () => {
  it('that has expired or was revoked before it ran may be sent again', async () => {
    const app = appOn({ broker: await newStore('sqlite') });
    const task = withTask(app, true);
    const first = await task.applyAsync(['a'], { expires: 0.01 });
    await sleep(20); // it expires
    await expect(task.delay('a')).rejects.toBeInstanceOf(DuplicateTaskError);
    await workerOf(app);
    await recordIn(app, first.id, 'REVOKED');
    await until(() =>
      task.delay('a').then(
        () => true,
        () => false,
      ),
    );
  });

  it('whose sending fails for sure leaves no lock', async () => {
    const app = appOn({ broker: await newStore('sqlite') }, { maxMessageSize: 1024 });
    const task = app.task('import', { unique: { key: 0 } }, (_: string, __: string) => 1);
    await expect(task.delay('a', 'x'.repeat(2000))).rejects.toMatchObject({
      code: 'UMBEL_PAYLOAD_TOO_LARGE',
    });
    await task.delay('a', 'small');
  });

  it('is over after its ttl at the latest, and runs on all the same', async () => {
    const app = appOn({ broker: await newStore('sqlite') });
    const gate = deferred<string>();
    let runs = 0;
    const task = withTask(app, { ttl: 0.05 }, () => {
      runs++;
      return gate.promise;
    });
    await workerOf(app);
    const first = await task.delay('a');
    let second: Awaited<ReturnType<typeof task.delay>> | undefined;
    await until(async () => (second = await task.delay('a').catch(() => undefined)), 'the end of the ttl');
    await until(() => runs === 2);
    gate.resolve('done');
    expect(await Promise.all([first.get(patience), second?.get(patience)])).toEqual(['done', 'done']);
  });

  it('of many calls at once each is by itself', async () => {
    const app = appOn({ broker: await newStore('memory') });
    const task = withTask(app, { policy: 'return existing' });
    const [a, b, again] = await task.applyMany([['a'], ['b'], ['a']]);
    expect(again?.id).toBe(a?.id);
    expect(b?.id).not.toBe(a?.id);
  });

  it.each([
    [{ policy: 'ignore' }],
    [{ ttl: 0 }],
    [{ key: {} }],
    [{ timeout: 3 }],
  ])('cannot be defined with %j', async (unique) => {
    const app = appOn({ broker: await newStore('memory') });
    expect(() => app.task('bad', { unique: unique as never }, () => 1)).toThrow(/unique/);
  });
});
