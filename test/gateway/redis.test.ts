// The HTTP API over Redis: what a client is told when the broker is away, and that asking again is harmless.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { SendUnconfirmed } from '../../src/errors.ts';
import { needs } from '../needs.ts';
import { freePort, noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { newApp, newGateway, post, problem, send, startWorker, waiting } from './bench.ts';

const ann = { args: ['Ann'] };
const key = { 'idempotency-key': 'a' };

function newShop(options: AppOptions): { app: App; runs: string[] } {
  const runs: string[] = [];
  const app = newApp(options);
  app.task('shop.pay', (customer: string) => runs.push(customer));
  return { app, runs };
}

needs(describe, noRedis)('the HTTP API on Redis', () => {
  let server: RedisServerProcess;
  beforeAll(async () => {
    server = await RedisServerProcess.shared();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  it('makes a repeated request one call, with messages and results in two databases of one server', async () => {
    const { app, runs } = newShop({ broker: server.url(1), backend: server.url(2) });
    const gateway = newGateway(app);
    const id = await send(gateway, '/tasks/shop.pay', ann, key);
    expect(await send(gateway, '/tasks/shop.pay', ann, key)).toBe(id);
    expect(await waiting(app)).toBe(1);
    await startWorker(app);
    await app.result(id).get({ timeout: 60 });
    expect(await send(gateway, '/tasks/shop.pay', ann, key)).toBe(id);
    const other = await problem(post(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key));
    expect(other.status).toBe(422);
    expect(runs).toEqual(['Ann']);
  });

  it('answers 503 in time, with a time to wait, while the broker is away', async () => {
    const { app } = newShop({
      broker: `redis://:canary-9@127.0.0.1:${await freePort()}/0`,
      taskPublishTimeout: '300ms',
    });
    const response = await post(newGateway(app), '/tasks/shop.pay', ann);
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: 'UMBEL_BROKER_UNAVAILABLE' });
    expect(text).not.toContain('canary');
    expect(text).not.toContain('127.0.0.1');
  });

  it('says when it does not know whether a call was sent; asking again with its key is one call', async () => {
    const { app, runs } = newShop({ broker: server.url(3) });
    const gateway = newGateway(app);
    const broker = await app.broker();
    const publish = broker.publish.bind(broker);
    // Redis has the message, and its answer is lost on the way.
    broker.publish = async (publications, options) => {
      await publish(publications, options);
      throw new SendUnconfirmed(['a'], 'the connection was cut');
    };
    const response = await post(gateway, '/tasks/shop.pay?task_id=order-1', ann);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).not.toBeNull();
    expect(await problem(response)).toMatchObject({ code: 'UMBEL_SEND_UNCONFIRMED' });
    const keyed = await post(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key);
    expect(keyed.status).toBe(503);
    broker.publish = publish;
    expect(await send(gateway, '/tasks/shop.pay?task_id=order-1', ann)).toBe('order-1');
    const id = await send(gateway, '/tasks/shop.pay', { args: ['Bob'] }, key);
    expect(await waiting(app)).toBe(2);
    await startWorker(app);
    await app.result(id).get({ timeout: 60 });
    await until(() => runs.length === 2);
    expect(runs.sort()).toEqual(['Ann', 'Bob']);
  });

  it('tells a client without a key by which id to ask again, and does not send it twice', async () => {
    const { app } = newShop({ broker: server.url(4) });
    const gateway = newGateway(app);
    const broker = await app.broker();
    const publish = broker.publish.bind(broker);
    let id = '';
    broker.publish = async (publications, options) => {
      id = publications[0]?.id ?? '';
      await publish(publications, options);
      throw new SendUnconfirmed([id], 'the connection was cut');
    };
    const { detail } = await problem(post(gateway, '/tasks/shop.pay', ann));
    expect(detail).toContain(`task_id=${id}`);
    broker.publish = publish;
    expect((await post(gateway, `/tasks/shop.pay?task_id=${id}`, ann)).status).toBe(409);
    expect(await waiting(app)).toBe(1);
  });
});
