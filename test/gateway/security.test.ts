import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { ConfigError, UnknownOptionError } from '../../src/errors.ts';
import { ApiKeys } from '../../src/gateway/api-keys.ts';
import {
  createGateway,
  type Gateway,
  GatewayServer,
  type GatewayServerOptions,
} from '../../src/gateway/gateway.ts';
import { routes } from '../../src/gateway/routes.ts';
import { get, type Headers, newApp, newGateway, post, problem, send, startServer, waiting } from './bench.ts';

function newShop(): App {
  const app = newApp();
  app.task('shop.add', (x: number, y: number) => x + y);
  return app;
}

/** Asks a route as it is in the table; `:id` is the task. */
function ask(gateway: Gateway, method: string, path: string, headers: Headers = {}): Promise<Response> {
  const url = `http://localhost${path.replace(':id', 'shop.add').replace(':file', 'page.js')}`;
  return gateway.fetch(new Request(url, { method, headers }));
}

/** The routes that answer without a key. A new one has to be put here, on purpose. */
const open = ['GET /health', 'GET /ready', 'GET /docs', 'GET /docs/:file', 'GET /'];

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (name, {
  method,
  path,
}) => {
  it(`${open.includes(name) ? 'is open to all' : 'needs an API key where there are some'}`, async () => {
    const gateway = newGateway(newShop(), { apiKeys: ['first', 'second'] });
    for (const wrong of [
      {},
      { authorization: 'Bearer wrong' },
      { 'x-api-key': '' },
      { authorization: 'Basic first' },
    ]) {
      const response = await ask(gateway, method, path, wrong as Headers);
      if (open.includes(name)) expect(response.status).toBeLessThan(400);
      else {
        expect(response.status).toBe(401);
        expect(response.headers.get('www-authenticate')).toBe('Bearer');
        await problem(response);
      }
    }
    for (const right of [
      { authorization: 'Bearer first' },
      { authorization: 'bearer second' },
      { 'x-api-key': 'second' },
    ])
      expect((await ask(gateway, method, path, right as Headers)).status).not.toBe(401);
  });

  it('is not answered under a foreign host name', async () => {
    const response = await ask(newGateway(newShop()), method, path, { host: 'evil.test' });
    expect(response.status).toBe(403);
    expect((await problem(response)).detail).toContain('evil.test');
  });

  it('has the headers that keep browsers careful', async () => {
    const { headers } = await ask(newGateway(newShop()), method, path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
  });
});

it.each([
  'localhost',
  'localhost:8000',
  '127.0.0.1:8000',
  '127.8.9.10',
  '[::1]:8000',
  'LOCALHOST',
  'shop.localhost',
])('the host %s is this machine', async (host) => {
  expect((await get(newGateway(newShop()), '/tasks', { host })).status).toBe(200);
});

it.each([
  'evil.test',
  'localhost.evil.test',
  '127.0.0.1.evil.test',
  'evil.test:8000',
  '10.0.0.1',
  '0.0.0.0',
  '127.0.0.1@evil.test',
  '[::2]',
])('the host %s is not', async (host) => {
  expect((await get(newGateway(newShop()), '/tasks', { host })).status).toBe(403);
});

it('further host names are allowed by name', async () => {
  const gateway = newGateway(newShop(), { allowedHosts: ['Shop.Example'] });
  expect((await get(gateway, '/tasks', { host: 'shop.example:8000' })).status).toBe(200);
  expect((await get(gateway, '/tasks', { host: 'other.example' })).status).toBe(403);
});

describe('a page of another site', () => {
  const foreign: readonly (readonly [string, Headers])[] = [
    ['a foreign origin', { origin: 'https://evil.test' }],
    ['no origin of its own', { origin: 'null' }],
    ['another port of this machine', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }],
    ['a cross-site request', { 'sec-fetch-site': 'cross-site' }],
    [
      'a cross-site request that lies about its origin',
      { origin: 'http://localhost', 'sec-fetch-site': 'cross-site' },
    ],
  ];

  it.each(foreign)('cannot call tasks: %s', async (_, headers) => {
    const app = newShop();
    const response = await post(newGateway(app), '/tasks/shop.add', { args: [1, 2] }, headers);
    expect(response.status).toBe(403);
    await problem(response);
    expect(await waiting(app)).toBe(0);
  });

  it('may be of the gateway itself', async () => {
    const gateway = newGateway(newShop());
    for (const headers of [
      { origin: 'http://localhost', 'sec-fetch-site': 'same-origin' },
      { origin: 'http://localhost' },
      { 'sec-fetch-site': 'none' },
    ])
      await send(gateway, '/tasks/shop.add', { args: [1, 2] }, headers as Headers);
  });

  it('may be of an origin that was named, and reads what it needs', async () => {
    const origin = 'https://app.example';
    const gateway = newGateway(newShop(), { cors: [origin] });
    const preflight = await gateway.fetch(
      new Request('http://localhost/tasks/shop.add', {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type, idempotency-key',
        },
      }),
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('idempotency-key');
    const headers = { origin, 'sec-fetch-site': 'cross-site' };
    const response = await post(gateway, '/tasks/shop.add', { args: [1, 2] }, headers);
    expect(response.status).toBe(202);
    expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    expect(response.headers.get('access-control-expose-headers')).toContain('Location');
    expect(response.headers.get('vary')?.toLowerCase()).toContain('origin');
    const wrong = await post(gateway, '/tasks/shop.add', 'no json', headers);
    expect([wrong.status, wrong.headers.get('access-control-allow-origin')]).toEqual([400, origin]);
    const other = await post(gateway, '/tasks/shop.add', { args: [1, 2] }, { origin: 'https://evil.test' });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  });

  it('is not let in by a preflight where CORS is off', async () => {
    const response = await newGateway(newShop()).fetch(
      new Request('http://localhost/tasks/shop.add', {
        method: 'OPTIONS',
        headers: { origin: 'https://evil.test', 'access-control-request-method': 'POST' },
      }),
    );
    expect(response.ok).toBe(false);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('an API key', () => {
  const apiKeys = ['first-key', 'second-key'];

  it.each<Headers>([
    { authorization: 'Bearer first' },
    { authorization: 'Bearer first-key2' },
    { authorization: 'Bearer first-key second-key' },
    { authorization: 'first-key' },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${'x'.repeat(7000)}` },
    { 'x-api-key': 'FIRST-KEY' },
    { 'x-api-key': 'first-key,second-key' },
    { cookie: 'x-api-key=first-key' },
  ])('is not %j', async (headers) => {
    expect((await get(newGateway(newShop(), { apiKeys }), '/tasks', headers)).status).toBe(401);
  });

  it('is not taken from the address, which is kept in logs', async () => {
    const gateway = newGateway(newShop(), { apiKeys });
    expect((await get(gateway, '/tasks?api_key=first-key&key=first-key')).status).toBe(401);
  });

  it('is needed before anything is sent', async () => {
    const app = newShop();
    await problem(post(newGateway(app, { apiKeys }), '/tasks/shop.add', { args: [1, 2] }));
    expect(await waiting(app)).toBe(0);
  });

  it('makes host names unimportant: a page under a foreign one does not have it', async () => {
    const headers = { host: 'tasks.example', 'x-api-key': 'first-key' };
    expect((await get(newGateway(newShop(), { apiKeys }), '/tasks', headers)).status).toBe(200);
  });

  it('is in no answer and in no line of the log', async () => {
    const lines: string[] = [];
    const log = (fields: object, message: string): void => void lines.push(JSON.stringify([fields, message]));
    const logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
    const gateway = newGateway(newShop(), { apiKeys, logger });
    for (const { method, path } of routes) {
      for (const key of ['first-key', 'wrong-key']) {
        const response = await ask(gateway, method, path, { authorization: `Bearer ${key}` });
        expect(await response.text()).not.toContain(key);
      }
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toMatch(/first-key|wrong-key/);
  });
});

it('nothing is changed by looking', async () => {
  const app = newShop();
  for (const { path } of routes) {
    for (const method of ['GET', 'HEAD']) await (await ask(newGateway(app), method, path)).body?.cancel();
  }
  expect(await waiting(app)).toBe(0);
});

it('a foreign host name and a page of another site are refused on a real connection, too', async () => {
  const { url } = await startServer(newShop());
  const statusOf = (headers: Headers): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      // Not fetch: it sets `Host` itself.
      const call = httpRequest(
        `${url}/tasks/shop.add`,
        { method: 'POST', headers, agent: false },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      call.once('error', reject);
      call.end();
    });
  expect(await statusOf({})).toBe(202);
  expect(await statusOf({ host: 'evil.test' })).toBe(403);
  expect(await statusOf({ origin: 'https://evil.test' })).toBe(403);
  expect(await statusOf({ origin: url })).toBe(202);
});

it('a key does not appear in the name by which its caller is known', () => {
  const keys = new ApiKeys(['first', 'second']);
  const caller = keys.callerOf(new Headers({ 'x-api-key': 'second' }));
  expect(caller).toMatch(/^[0-9a-f]{8,}$/);
  expect(caller).not.toBe(keys.callerOf(new Headers({ 'x-api-key': 'first' })));
  expect(JSON.stringify(keys)).not.toContain('second');
});

it.each([
  '0.0.0.0',
  '::',
  '192.168.1.5',
  'shop.example',
])('without a key a gateway does not start on %s', (host) => {
  expect(() => new GatewayServer(newShop(), { host })).toThrow(ConfigError);
  expect(() => new GatewayServer(newShop(), { host })).toThrow(/key/);
  expect(() => new GatewayServer(newShop(), { host, apiKeys: ['key'] })).not.toThrow();
});

it.each<[GatewayServerOptions, RegExp]>([
  [{ apiKeys: [''] }, /API key/],
  [{ apiKeys: ['two words'] }, /API key/],
  [{ apiKeys: ['line\nbreak'] }, /API key/],
  [{ cors: ['*'] }, /cors/],
  [{ cors: ['app.example'] }, /cors/],
  [{ cors: ['https://app.example/'] }, /cors/],
  [{ basePath: 'api' }, /basePath/],
  [{ maxBodySize: 0 }, /maxBodySize/],
  [{ maxWait: 'long' as never }, /maxWait/],
  [{ heartbeat: -1 }, /heartbeat/],
])('options that make no sense are refused by name: %j', (options, message) => {
  expect(() => createGateway(newShop(), options)).toThrow(message);
});

it('a mistyped option gets a hint', () => {
  const options = { apiKey: ['x'] } as unknown as GatewayServerOptions; // what JavaScript lets through
  expect(() => createGateway(newShop(), options)).toThrow(UnknownOptionError);
  expect(() => createGateway(newShop(), options)).toThrow(/apiKeys/);
});

it('a gateway that is mounted in a server of the user is open to nobody, unless that is said', () => {
  expect(() => createGateway(newShop())).toThrow(ConfigError);
  expect(() => createGateway(newShop(), { allowedHosts: ['shop.example'] })).toThrow(
    /apiKeys.*insecure: true/,
  );
  expect(() => createGateway(newShop(), { apiKeys: ['key'] })).not.toThrow();
  expect(() => createGateway(newShop(), { insecure: true })).not.toThrow();
  expect(() => new GatewayServer(newShop())).not.toThrow();
  expect(() => new GatewayServer(newShop(), { host: '0.0.0.0', insecure: true })).not.toThrow();
});
