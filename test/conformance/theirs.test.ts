// A driver from outside passes the suite that ours pass.
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { registerStore } from '../../src/stores/registry.ts';
import { Worker } from '../../src/worker/worker.ts';
import { ArrayConsumer, ArrayStore, ArrayTransport } from '../drivers/array-store.ts';
import { transportCases } from './run.ts';

transportCases('array', () => {
  const store = new ArrayStore();
  return {
    openTransport: async () => new ArrayTransport(store),
    openBackendOf: () => Promise.reject(new Error('it keeps no results')),
    putRaw: async (queue, raw) => store.put(queue, 0, raw),
    kill: async (consumer) => {
      if (consumer instanceof ArrayConsumer) consumer.die();
    },
    remove: async () => undefined,
  };
});

test('an application runs on it, by its scheme', async () => {
  const store = new ArrayStore();
  registerStore({
    name: 'array',
    schemes: ['array'],
    embedded: true,
    ephemeral: true,
    openTransport: async () => new ArrayTransport(store),
  });
  await using app = new App('shop', { broker: 'array://one', backend: 'memory://' });
  const add = app.task('add', (x: number, y: number) => x + y);
  const result = await add.delay(2, 3);
  await using worker = new Worker(app);
  await worker.start();
  expect(await result.get()).toBe(5);
  expect(store.items).toEqual([]);
});
