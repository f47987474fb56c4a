// What a task costs is counted, not timed: each promise is an allocation and a turn through the microtasks.
import { createHook } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { until } from '../until.ts';
import { newApp, startWorker } from './bench.ts';

/** As it was found when this was written: 16. One that is added on purpose raises it. */
const perTask = 18;

test('a plain task makes no more promises than it needs', async () => {
  const app = await newApp('memory');
  let ended = 0;
  const count = app.task('shop.count', { ignoreResult: true }, () => {
    ended++;
  });
  const send = (tasks: number) => Promise.all(Array.from({ length: tasks }, () => count.delay()));
  await send(1100);
  let promises = 0;
  const hook = createHook({
    init: (_, type) => {
      if (type === 'PROMISE') promises++;
    },
  });
  await startWorker(app, { concurrency: 10 });
  await until(() => ended >= 100, 'it is warm');
  const before = ended;
  hook.enable();
  await until(() => ended >= 1100, 'all are done');
  hook.disable();
  expect(Math.floor(promises / (ended - before))).toBeLessThanOrEqual(perTask);
});
