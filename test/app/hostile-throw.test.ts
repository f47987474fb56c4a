// A task may throw anything, also what cannot be looked at: it has failed, and its slot is free again.
import { expect, it } from 'vitest';
import { newApp, startWorker } from '../worker/bench.ts';

const hostile: readonly [string, () => unknown][] = [
  [
    'a revoked proxy',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
  ],
  [
    'a proxy without a prototype to ask for',
    () =>
      new Proxy(
        {},
        {
          getPrototypeOf() {
            throw new Error('no');
          },
        },
      ),
  ],
];

it.each(hostile)('%s, thrown or returned, fails its task and nothing else', async (_, make) => {
  const app = await newApp('memory');
  const thrower = app.task('thrower', () => {
    throw make();
  });
  const giver = app.task('giver', () => make());
  const add = app.task('add', (x: number, y: number) => x + y);
  const { worker } = await startWorker(app, { concurrency: 1 });
  await expect((await thrower.delay()).get({ timeout: 60 })).rejects.toThrow(/cannot be looked at/);
  await expect((await giver.delay()).get({ timeout: 60 })).rejects.toThrow();
  expect(await (await add.delay(1, 2)).get({ timeout: 60 })).toBe(3);
  await worker.stop();
});
