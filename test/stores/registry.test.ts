// Stores of others, and questions about URLs.
import { expect, test } from 'vitest';
import { App } from '../../src/app/app.ts';
import { openMemoryBackend } from '../../src/stores/memory/memory-backend.ts';
import { openMemoryTransport } from '../../src/stores/memory/memory-transport.ts';
import { openTransport, registerStore, storeNamed, storeOf } from '../../src/stores/registry.ts';
import { Worker } from '../../src/worker/worker.ts';

test('a store of somebody else is broker and result backend of an application, by its scheme', async () => {
  registerStore({
    name: 'theirs',
    schemes: ['theirs'],
    embedded: true,
    openTransport: async (url) => openMemoryTransport(url),
    openBackend: async (url, options) => openMemoryBackend(url, options),
  });
  await using app = new App('shop', { broker: 'theirs://one' });
  expect(app.config.backend).toBe('theirs://one'); // it keeps results, too
  const add = app.task('add', (x: number, y: number) => x + y);
  const result = await add.delay(2, 3);
  await using worker = new Worker(app);
  await worker.start();
  expect(await result.get()).toBe(5);
  const twice = { name: 'ours', schemes: ['ours', 'redis'], embedded: false };
  expect(() => registerStore(twice)).toThrow(/the scheme 'redis:\/\/' is taken/);
  await expect(openTransport('other://x')).rejects.toThrow(/there are .*amqp:\/\/.* and theirs:\/\//);
});

test.each([
  ['redis://h/0', 'redis'],
  ['REDISS://h/0', 'redis'],
  ['redis+socket:///run/redis.sock', 'redis'],
  ['redis://a/0;redis://b/0', 'redis'],
  ['pyamqp://h//', 'amqp'],
  ['db+postgresql://h/x', 'postgres'],
  ['rpc://', 'rpc'],
  ['kafka://h', undefined],
  ['nonsense', undefined],
])('%s names the store %s', (url, name) => {
  expect(storeNamed(url)?.name).toBe(name);
});

test('what a store cannot be is said, with those that can', () => {
  expect(() => storeOf('postgresql://u:secret@h/x', 'broker')).toThrow(
    /^broker: 'postgresql:\/\/' is unknown; there are sqlite:\/\/, redis:\/\/, amqp:\/\//,
  );
  expect(() => storeOf('amqp://h', 'backend')).toThrow(/postgresql:\/\/, rpc:\/\//);
  expect(() => storeOf('amqp://h', 'beatStore')).toThrow(/sqlite:\/\/, redis:\/\/, postgresql:\/\//);
});
