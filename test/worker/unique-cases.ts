// Unique tasks: one of a key at a time, whoever sends it, on every broker; and no lock outlives its task.

import { expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { Unique } from '../../src/config/unique-options.ts';
import { DuplicateTaskError } from '../../src/errors.ts';
import { patience, until } from '../until.ts';
import { moduleOf, recordIn, sizeOf } from './bench.ts';
import { appOn, type Cases, workerOf } from './everywhere.ts';
import { withUniqueTasks } from './unique-app.ts';

export function withTask(
  app: App,
  unique: boolean | Unique,
  body: (tenant: string) => unknown = () => 'done',
) {
  return app.task('import', { unique }, (tenant: string) => body(tenant));
}

export const uniqueCases: Cases = (broker, newUrls) => {
  it('of fifty calls that are sent at once from several programs one is sent; the others are told of it', async () => {
    const urls = await newUrls();
    const apps = Array.from({ length: 5 }, () => withTask(appOn(urls), { key: 0 }));
    const sent = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => apps[n % 5]?.delay('a')));
    const ids = sent.flatMap((each) => (each.status === 'fulfilled' ? [each.value?.id] : []));
    expect(ids).toHaveLength(1);
    for (const each of sent) {
      if (each.status === 'fulfilled') continue;
      expect(each.reason).toBeInstanceOf(DuplicateTaskError);
      expect(each.reason).toMatchObject({ code: 'UMBEL_DUPLICATE_TASK', existingId: ids[0] });
    }
    const ready = async (): Promise<number> => (await sizeOf(apps[0]?.app as App))[0];
    await until(async () => (await ready()) === 1);
    await apps[0]?.delay('b');
    await until(async () => (await ready()) === 2);
  });

  it('may be sent again when it has ended, however that was; it keeps its place over retries', async () => {
    const app = withUniqueTasks(appOn(await newUrls(), { workerMaxDeliveries: 1 }));
    const send = (how: string) => app.send('unique.ends', [how]);
    await workerOf(app);
    const retried = await send('retries');
    await recordIn(app, retried.id, 'RETRY');
    await expect(send('retries')).rejects.toMatchObject({ existingId: retried.id });
    for (const how of ['well', 'badly', 'ignored', 'rejected']) {
      await send(how);
      // Only when the first has ended.
      await until(() =>
        send(how).then(
          () => true,
          () => false,
        ),
      );
    }
    await expect(send('retries')).rejects.toMatchObject({ existingId: retried.id });
  });

  it('with "return existing" the second call has the result of the first', async () => {
    const app = appOn(await newUrls());
    const task = withTask(app, { policy: 'return existing' }, (tenant) => `of ${tenant}`);
    const [first, second, other] = [await task.delay('a'), await task.delay('a'), await task.delay('b')];
    expect(second.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
    await workerOf(app);
    expect(await second.get(patience)).toBe('of a');
    expect(await other.get(patience)).toBe('of b');
  });

  it('with "replace" the one that waits is not run, and the last one is', async () => {
    const app = appOn(await newUrls());
    const runs: string[] = [];
    const task = app.task(
      'report',
      { unique: { key: 0, policy: 'replace' } },
      (_: string, version: number) => {
        runs.push(String(version));
      },
    );
    const sent = [await task.delay('a', 1), await task.delay('a', 2), await task.delay('a', 3)];
    await workerOf(app);
    await sent[2]?.get(patience);
    expect((await recordIn(app, sent[0]?.id ?? '', 'REVOKED')).status).toBe('REVOKED');
    expect((await recordIn(app, sent[1]?.id ?? '', 'REVOKED')).status).toBe('REVOKED');
    expect(runs).toEqual(['3']);
    await (await task.delay('a', 4)).get(patience);
  });

  it('is sent by a task that runs in a pool, too', async ({ skip }) => {
    if (broker === 'memory') skip('children of a pool cannot share a store in memory');
    const app = withUniqueTasks(appOn(await newUrls()));
    const module = moduleOf('test/worker/unique-app.ts');
    await workerOf(app, { pool: 'threads', module, concurrency: 1 });
    expect(await (await app.send('unique.parent')).get(patience)).toMatch(/^UMBEL_DUPLICATE_TASK /);
  });
};
