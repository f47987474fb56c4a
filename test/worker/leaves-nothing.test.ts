import { createHook } from 'node:async_hooks';
import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Worker } from '../../src/worker/worker.ts';

it('a worker that has stopped leaves no timer that would keep its process', async () => {
  const timers = new Map<number, string>();
  const hook = createHook({
    init: (id, type) => {
      if (type === 'Timeout') timers.set(id, new Error().stack ?? '');
    },
    destroy: (id) => timers.delete(id),
  });
  hook.enable();
  try {
    const app = new App('leaves', { broker: 'memory://leaves', backend: 'memory://leaves' });
    const worker = new Worker(app);
    await worker.start();
    await worker.stop();
    await app.close();
    await new Promise((done) => setImmediate(() => setImmediate(done)));
  } finally {
    hook.disable();
  }
  const ours = [...timers.values()].filter((stack) =>
    /(?:src|dist)\/(?:worker|lib|transports|app)\//.test(stack),
  );
  expect(ours).toEqual([]);
});
