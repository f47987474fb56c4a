import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { until } from '../until.ts';
import {
  type Headers,
  newApp,
  newGateway,
  newStore,
  post,
  problem,
  read,
  send,
  startWorker,
  waiting,
} from './bench.ts';

const key = (text: string, more: Headers = {}): Headers => ({ 'idempotency-key': text, ...more });

/** Applications that share a store, as processes do, or one that was started again. Counts the runs. */
function newShops(broker: string, count = 1): { readonly apps: readonly App[]; readonly runs: string[] } {
  const runs: string[] = [];
  const apps = Array.from({ length: count }, () => {
    const app = newApp({ broker });
    app.task('shop.pay', (customer: string) => runs.push(customer));
    app.task('shop.fire', { ignoreResult: true }, (customer: string) => void runs.push(customer));
    return app;
  });
  return { apps, runs };
}

const ann = { args: ['Ann'] };

describe.each(['memory', 'sqlite'] as const)('an Idempotency-Key on %s', (kind) => {
  async function newShop(): Promise<{ app: App; gateway: Gateway; runs: string[] }> {
    const { apps, runs } = newShops(await newStore(kind));
    const app = apps[0] ?? newApp();
    return { app, gateway: newGateway(app), runs };
  }

  it('makes a repeated request one call: same answer, one run', async () => {
    const { app, gateway, runs } = await newShop();
    const first = await post(gateway, '/tasks/shop.pay', ann, key('a'));
    const second = await post(gateway, '/tasks/shop.pay', ann, key('a'));
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    const { id, ...rest } = await read(first);
    expect(await read(second)).toEqual({ id, ...rest });
    expect(await waiting(app)).toBe(1);
    await startWorker(app);
    await app.result(id).get({ timeout: 60 });
    expect(runs).toEqual(['Ann']);
  });

  it('holds when the call has ended, too', async () => {
    const { app, gateway, runs } = await newShop();
    await startWorker(app);
    const id = await send(gateway, '/tasks/shop.pay', ann, key('a'));
    await app.result(id).get({ timeout: 60 });
    expect(await send(gateway, '/tasks/shop.pay', ann, key('a'))).toBe(id);
    const other = await send(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key('b'));
    await app.result(other).get({ timeout: 60 });
    expect(runs).toEqual(['Ann', 'Bob']);
  });

  it('holds for many requests at the same moment, from several gateways', async () => {
    const { apps, runs } = newShops(await newStore(kind), 3);
    const requests = Array.from({ length: 30 }, (_, index) =>
      send(newGateway(apps[index % 3] ?? newApp()), '/tasks/shop.pay', ann, key('a')),
    );
    expect(new Set(await Promise.all(requests)).size).toBe(1);
    const [app = newApp()] = apps;
    expect(await waiting(app)).toBe(1);
    await startWorker(app);
    await until(async () => (await waiting(app)) === 0);
    await until(() => runs.length > 0);
    expect(runs).toEqual(['Ann']);
  });

  it('with another body is 422, and the first call is the one that runs', async () => {
    const { app, gateway, runs } = await newShop();
    const id = await send(gateway, '/tasks/shop.pay', ann, key('a'));
    const response = await post(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key('a'));
    expect(response.status).toBe(422);
    expect((await problem(response)).detail).toContain('Idempotency-Key');
    await startWorker(app);
    await app.result(id).get({ timeout: 60 });
    expect((await post(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key('a'))).status).toBe(422);
    expect(runs).toEqual(['Ann']);
  });

  it('with other options is another request, too', async () => {
    const { gateway } = await newShop();
    await send(gateway, '/tasks/shop.pay?countdown=60&queue=slow', ann, key('a'));
    await send(gateway, '/tasks/shop.pay?queue=slow&countdown=60', ann, key('a'));
    expect((await post(gateway, '/tasks/shop.pay?countdown=61&queue=slow', ann, key('a'))).status).toBe(422);
  });

  it('of two different requests at the same moment accepts one', async () => {
    const { app, gateway, runs } = await newShop();
    for (let round = 0; round < 10; round++) {
      const responses = await Promise.all(
        ['Ann', 'Bob', 'Cid', 'Dan'].map((name) =>
          post(gateway, '/tasks/shop.pay', { args: [name] }, key(`race ${round}`)),
        ),
      );
      expect(responses.map(({ status }) => status).sort()).toEqual([202, 422, 422, 422]);
    }
    expect(await waiting(app)).toBe(10);
    await startWorker(app);
    await until(() => runs.length === 10);
  });

  it('belongs to the task: two tasks may have calls of one key', async () => {
    const { app, gateway } = await newShop();
    app.task('shop.refund', (customer: string) => customer);
    const pay = await send(gateway, '/tasks/shop.pay', ann, key('a'));
    expect(await send(gateway, '/tasks/shop.refund', ann, key('a'))).not.toBe(pay);
  });

  it('belongs to the API key: two callers do not meet', async () => {
    const { app } = await newShop();
    const gateway = newGateway(app, { apiKeys: ['one', 'two'] });
    const one = await send(gateway, '/tasks/shop.pay', ann, key('a', { 'x-api-key': 'one' }));
    const two = await send(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key('a', { 'x-api-key': 'two' }));
    expect(two).not.toBe(one);
  });

  it('is not used up by a call that does not fit', async () => {
    const { gateway } = await newShop();
    expect((await post(gateway, '/tasks/shop.pay', { name: 'Ann' }, key('a'))).status).toBe(422);
    expect((await post(gateway, '/tasks/shop.pay', ann, key('a'))).status).toBe(202);
  });

  it('sends after all what a broker had refused', async () => {
    const { app, gateway, runs } = await newShop();
    const broker = await app.broker();
    const publish = broker.publish.bind(broker);
    broker.publish = async () => {
      throw new BrokerUnavailable('down');
    };
    expect((await post(gateway, '/tasks/shop.pay', ann, key('a'))).status).toBe(503);
    broker.publish = publish;
    const id = await send(gateway, '/tasks/shop.pay', ann, key('a'));
    await startWorker(app);
    await app.result(id).get({ timeout: 60 });
    expect(runs).toEqual(['Ann']);
  });

  it('makes even a task that ignores its result run once', async () => {
    const { app, gateway, runs } = await newShop();
    await send(gateway, '/tasks/shop.fire', ann, key('a'));
    await startWorker(app);
    await until(() => runs.length === 1);
    await send(gateway, '/tasks/shop.fire', ann, key('a'));
    await until(async () => (await waiting(app)) === 0);
    const last = await send(gateway, '/tasks/shop.pay', { args: ['last'] });
    await app.result(last).get({ timeout: 60 });
    expect(runs).toEqual(['Ann', 'last']);
  });

  it('leaves nothing in the API that looks like a task', async () => {
    const { app, gateway } = await newShop();
    const backend = await app.backend();
    const puts: string[] = [];
    const put = backend?.put.bind(backend);
    if (backend && put)
      backend.put = async (record) => {
        puts.push(record.taskId);
        await put(record);
      };
    await send(gateway, '/tasks/shop.pay', ann, key('a'));
    expect(puts).toHaveLength(1);
    const response = await gateway.fetch(new Request(`http://localhost/tasks/${puts[0]}`));
    expect(response.status).toBe(404);
  });
});

it('an Idempotency-Key is remembered by the store: an application that was started again knows it', async () => {
  const broker = await newStore('sqlite');
  const before = newShops(broker);
  const id = await send(newGateway(before.apps[0] ?? newApp()), '/tasks/shop.pay', ann, key('a'));
  await before.apps[0]?.close();
  const { apps, runs } = newShops(broker);
  const [app = newApp()] = apps;
  const gateway = newGateway(app);
  expect(await send(gateway, '/tasks/shop.pay', ann, key('a'))).toBe(id);
  expect((await post(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key('a'))).status).toBe(422);
  await startWorker(app);
  await app.result(id).get({ timeout: 60 });
  expect(runs).toEqual(['Ann']);
});

it.each(['', 'x'.repeat(256), 'ümlaut'])('the Idempotency-Key %j is 400', async (text) => {
  const { apps } = newShops(await newStore('memory'));
  const response = await post(newGateway(apps[0] ?? newApp()), '/tasks/shop.pay', ann, key(text));
  expect(response.status).toBe(400);
  expect((await problem(response)).detail).toContain('Idempotency-Key');
});

it('an Idempotency-Key and a task_id are two ids for one call: 400', async () => {
  const { apps } = newShops(await newStore('memory'));
  expect(
    (await post(newGateway(apps[0] ?? newApp()), '/tasks/shop.pay?task_id=x', ann, key('a'))).status,
  ).toBe(400);
});

it('where messages and results are in two stores a repetition could not be known: said, and nothing is sent', async () => {
  const app = newApp({ broker: await newStore('sqlite'), backend: await newStore('memory') });
  app.task('shop.pay', (customer: string) => customer);
  const response = await post(newGateway(app), '/tasks/shop.pay', ann, key('a'));
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect((await problem(response)).detail).toContain('Idempotency-Key');
  expect(await waiting(app)).toBe(0);
});

it('a task_id is one call, however often it is sent; another request with it is 409', async () => {
  const { apps } = newShops(await newStore('memory'));
  const [app = newApp()] = apps;
  const gateway = newGateway(app);
  expect(await send(gateway, '/tasks/shop.pay?task_id=x', ann)).toBe('x');
  expect(await send(gateway, '/tasks/shop.pay?task_id=x', ann)).toBe('x');
  expect((await post(gateway, '/tasks/shop.pay?task_id=x', { args: ['Bob'] })).status).toBe(409);
  expect(await waiting(app)).toBe(1);
});

it('a task_id that a program has used is not taken by the gateway', async () => {
  const { apps } = newShops(await newStore('memory'));
  const [app = newApp()] = apps;
  await app.send('shop.pay', ['Ann'], { taskId: 'x' });
  expect((await post(newGateway(app), '/tasks/shop.pay?task_id=x', ann)).status).toBe(409);
});
