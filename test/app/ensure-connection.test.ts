// Whether the broker and the result backend answer.
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { App } from '../../src/app/app.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';

it('resolves when both answer, whether or not there are results', async () => {
  await using both = new App('both', { broker: 'memory://', backend: 'memory://' });
  await both.ensureConnection();
  await using one = new App('one', { broker: 'memory://', backend: null });
  await one.ensureConnection({ timeout: '5s' });
});

it('rejects when nobody is at the address, and in time when nobody answers', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : 0;
  await using mute = new App('mute', { broker: `redis://127.0.0.1:${port}/0`, backend: null });
  await expect(mute.ensureConnection({ timeout: 0.2 })).rejects.toThrow(BrokerUnavailable);
  await using nobody = new App('nobody', { broker: 'redis://127.0.0.1:1/0', backend: null });
  await expect(nobody.ensureConnection({ timeout: 2 })).rejects.toThrow(BrokerUnavailable);
});

needs(it, noRedis)('names the result backend when it is that which is away', async () => {
  await using server = await RedisServerProcess.start();
  await using app = new App('results', { broker: 'memory://', backend: server.url() });
  await app.ensureConnection();
  server.cli('CLIENT', 'PAUSE', '60000', 'ALL');
  await expect(app.ensureConnection({ timeout: 0.2 })).rejects.toThrow(
    'the result backend has not answered within 0.2 s',
  );
  await server.stop();
  await expect(app.ensureConnection({ timeout: 2 })).rejects.toThrow(/./);
});
