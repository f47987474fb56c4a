import { once } from 'node:events';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { connect, createServer } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { ConfigError } from '../../src/errors.ts';
import { GatewayServer } from '../../src/gateway/gateway.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { isLong } from '../run/scale.ts';
import { until } from '../until.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import {
  type Answer,
  get,
  newApp,
  newGateway,
  post,
  problem,
  read,
  startServer,
  startWorker,
} from './bench.ts';

function newShop(): App {
  const app = newApp();
  app.task('shop.add', (x: number, y: number) => x + y);
  return app;
}

function call(url: string, body: unknown = { args: [2, 3] }): Promise<Response> {
  return fetch(`${url}/tasks/shop.add`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** Sends bytes as they are; all that comes back until the connection ends. */
async function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {}); // a connection that is cut is an answer, too
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

/** Stops the server where no time passes: it would wait for ever if it gave anybody some seconds. */
async function stopAtOnce(server: GatewayServer): Promise<void> {
  const begun = performance.now();
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    await server.stop();
  } finally {
    vi.useRealTimers();
  }
  if (isLong) expect(performance.now() - begun).toBeLessThan(1000);
}

it('a task is sent and its result is read over a socket', async () => {
  const app = newShop();
  await startWorker(app);
  const { url } = await startServer(app);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const sent = await call(url);
  expect(sent.status).toBe(202);
  const result = await fetch(`${url}${sent.headers.get('location')}/result?wait=60`);
  expect(await result.json()).toMatchObject({ status: 'SUCCESS', result: 5 });
});

it('a port that is in use is named', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  onTestFinished(() => void taken.close());
  const address = taken.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const server = new GatewayServer(newShop(), { port });
  await expect(server.start()).rejects.toThrow(ConfigError);
  await expect(server.start()).rejects.toThrow(`port ${port}`);
  await server.stop();
});

it('stop() ends streams and waiting requests at once, and connections that are kept alive', async () => {
  const app = newShop();
  const server = await startServer(app);
  const { id } = (await (await call(server.url)).json()) as Answer;
  const stream = await fetch(`${server.url}/tasks/${id}/events`);
  const reader = stream.body?.getReader();
  await reader?.read();
  const drained = (async () => {
    while (!(await reader?.read())?.done);
  })();
  await stopAtOnce(server);
  await drained;
  await expect(call(server.url)).rejects.toThrow();
});

it('stop() does not wait for connections on which nothing was asked, as browsers open them in advance', async () => {
  const server = await startServer(newShop());
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  await fetch(`${server.url}/health`); // it has arrived: connections are taken in order
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes;
  });
  const closed = once(socket, 'close');
  await stopAtOnce(server);
  await closed;
  expect(heard).toBe(''); // Node ends such a connection, too, after half a minute: with 408
});

it('stop() does not wait for a client that has left its stream', async () => {
  const server = await startServer(newShop());
  const { id } = (await (await call(server.url)).json()) as Answer;
  const client = new AbortController();
  const stream = await fetch(`${server.url}/tasks/${id}/events`, { signal: client.signal });
  for await (const _ of stream.body ?? []) break;
  client.abort();
  await stopAtOnce(server);
});

it('stop() lets a request that has begun finish', async () => {
  const app = newShop();
  const server = await startServer(app);
  const begun = deferred<void>();
  const go = deferred<void>();
  const broker = await app.broker();
  const publish = broker.publish.bind(broker);
  broker.publish = async (publications) => {
    begun.resolve();
    await go.promise;
    await publish(publications);
  };
  const sent = call(server.url);
  await begun.promise;
  const stopped = server.stop();
  go.resolve();
  expect((await sent).status).toBe(202);
  await stopped;
});

it('stop() is safe before start(), twice, and while starting; the application stays open', async () => {
  const app = newShop();
  await new GatewayServer(app, { port: 0 }).stop();
  const server = new GatewayServer(app, { port: 0 });
  const starting = server.start();
  await Promise.all([server.stop(), server.stop()]);
  await starting;
  await expect(call(server.url)).rejects.toThrow();
  await app.send('shop.add', [1, 2]);
});

it('a body that is announced as too large is refused before it comes', async () => {
  const { url } = await startServer(newShop(), { maxBodySize: 1000 });
  const answer = await raw(
    url,
    'POST /tasks/shop.add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n{',
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('application/problem+json');
});

it('a body that grows too large is refused while it comes', async () => {
  const { url } = await startServer(newShop(), { maxBodySize: 1000 });
  const chunk = `800\r\n${' '.repeat(0x800)}\r\n`;
  const answer = await raw(
    url,
    `POST /tasks/shop.add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk.repeat(3)}`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

it.each([
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['no host', 'GET /tasks HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  ['a foreign host', 'GET /tasks HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n', 403],
  ['a host that is none', 'GET /tasks HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
  [
    'a foreign host in the path',
    'GET http://evil.test/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    400,
  ],
  [
    'a way out of the path',
    'GET /docs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    404,
  ],
  ['broken escapes', 'GET /tasks/%ff%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 404],
  [
    'large headers',
    `GET /tasks HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(20_000)}\r\nConnection: close\r\n\r\n`,
    431,
  ],
])('%s is answered and harms nothing', async (_, text, status) => {
  const { url } = await startServer(newShop());
  expect(Number((await raw(url, text)).split(' ')[1])).toBe(status);
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

it('a path that does not exist is 404, a method that a path does not have 405 with those that it has', async () => {
  const gateway = newGateway(newShop());
  const missing = await get(gateway, '/nothing/here');
  expect(missing.status).toBe(404);
  expect(await problem(missing)).toMatchObject({
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    instance: '/nothing/here',
    requestId: missing.headers.get('x-request-id'),
  });
  for (const [method, path, allow] of [
    ['DELETE', '/tasks/shop.add', 'GET, HEAD, POST'],
    ['POST', '/tasks', 'GET, HEAD'],
    ['PUT', '/health', 'GET, HEAD'],
  ] as const) {
    const response = await gateway.fetch(new Request(`http://localhost${path}`, { method }));
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')?.split(', ').sort().join(', ')).toBe(allow);
    await problem(response);
  }
});

it('HEAD answers as GET does, without a body', async () => {
  const gateway = newGateway(newShop());
  for (const path of ['/health', '/tasks', '/docs', '/openapi.json']) {
    const response = await gateway.fetch(new Request(`http://localhost${path}`, { method: 'HEAD' }));
    expect([path, response.status, await response.text()]).toEqual([path, 200, '']);
  }
});

it('a request id of the client’s is kept when it is one, and replaced when it is not', async () => {
  const gateway = newGateway(newShop());
  const kept = await get(gateway, '/health', { 'x-request-id': 'order-17' });
  expect(kept.headers.get('x-request-id')).toBe('order-17');
  for (const bad of ['two words', '<script>', 'x'.repeat(200), '"']) {
    const response = await get(gateway, '/health', { 'x-request-id': bad });
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  }
});

it('an error of ours is 500 with the request id; what it was is in the log only', async () => {
  const app = newShop();
  const broker = await app.broker();
  broker.publish = async () => {
    throw new RangeError('secret detail');
  };
  const log = new MemoryLog();
  const response = await post(newGateway(app, { logger: log }), '/tasks/shop.add', { args: [1, 2] });
  expect(response.status).toBe(500);
  const answer = await problem(response);
  expect(JSON.stringify(answer)).not.toContain('secret');
  expect(log.texts('error').join()).toContain('secret detail');
});

it('/health always answers; /ready only while the stores do', async () => {
  const app = newShop();
  const gateway = newGateway(app);
  expect(await read(get(gateway, '/health'))).toEqual({ status: 'ok' });
  expect(await read(get(gateway, '/ready'))).toEqual({ status: 'ready' });
  const broker = await app.broker();
  broker.size = async () => {
    throw new Error('disk gone at /secret/place');
  };
  const response = await get(gateway, '/ready');
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).not.toBeNull();
  expect(JSON.stringify(await problem(response))).not.toContain('secret');
  expect((await get(gateway, '/health')).status).toBe(200);
});

it('/ready gives up on stores that say nothing', async () => {
  const app = newShop();
  const broker = await app.broker();
  broker.size = () => new Promise(() => {});
  expect((await get(newGateway(app), '/ready')).status).toBe(503);
});

it('a gateway can be mounted under a path: its links say so', async () => {
  const gateway = newGateway(newShop(), { basePath: '/api/' });
  const response = await post(gateway, '/api/tasks/shop.add', { args: [1, 2] });
  const { id, links } = await read(response);
  expect(response.headers.get('location')).toBe(`/api/tasks/${id}`);
  expect((await get(gateway, links.self ?? '')).status).toBe(200);
  expect((await get(gateway, '/tasks')).status).toBe(404);
});

it('two gateways over one application are two: closing one leaves the other', async () => {
  const app = newShop();
  const [one, other] = [newGateway(app), newGateway(app)];
  one.close();
  const { id } = await read(post(other, '/tasks/shop.add', { args: [1, 2] }));
  const waiting = get(other, `/tasks/${id}/result?wait=60`);
  await startWorker(app);
  expect((await waiting).status).toBe(200);
});

it('a client that sends half a request and goes is forgotten', async () => {
  const app = newShop();
  const server = await startServer(app);
  const { hostname, port } = new URL(server.url);
  for (let index = 0; index < 50; index++) {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(
      'POST /tasks/shop.add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      () => socket.destroy(),
    );
    await once(socket, 'close');
  }
  await until(async () => (await call(server.url)).status === 202);
});

it('connections beyond the limit are told so, and make room when they have been', async () => {
  const { url } = await startServer(newShop(), { maxConnections: 1 });
  const { hostname, port } = new URL(url);
  const first = connect(Number(port), hostname);
  onTestFinished(() => void first.destroy());
  const ask = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
  first.write(ask);
  await once(first, 'data'); // it is one now
  const refused = await raw(url, ask);
  expect(refused).toMatch(/^HTTP\/1.1 503 /);
  expect(refused).toContain('application/problem+json');
  expect(refused).toContain('limit of 1 connections');
  first.write(ask);
  expect(String((await once(first, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
  first.destroy();
  await until(async () =>
    (await raw(url, ask.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))).includes(' 200 '),
  );
});

it('one address has so many streams, and gets their places back', async () => {
  const app = newShop();
  const { url } = await startServer(app, { maxWaitingPerAddress: 1 });
  const path = `${url}${(await call(url)).headers.get('location')}/events`;
  const stream = await fetch(path);
  expect(stream.status).toBe(200);
  const second = await fetch(path);
  expect([second.status, second.headers.get('retry-after')]).toEqual([429, '5']);
  expect((await problem(second)).detail).toContain('maxWaitingPerAddress');
  await stream.body?.cancel();
  await until(async () => {
    const again = await fetch(path);
    await again.body?.cancel();
    return again.status === 200;
  });
});

it('a target with a host must be that of the Host header', async () => {
  const { url } = await startServer(newShop());
  const ask = (target: string) =>
    raw(url, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  expect(await ask('ftp:nonsense')).toMatch(/^HTTP\/1.1 400 /);
  expect(await ask('http://LOCALHOST:80/health')).toMatch(/^HTTP\/1.1 200 /);
});

it('headers that take too long are looked for often enough', async () => {
  const creating = vi.spyOn(http, 'createServer');
  syncBuiltinESMExports();
  onTestFinished(() => {
    creating.mockRestore();
    syncBuiltinESMExports();
  });
  await startServer(newShop());
  const [options] = creating.mock.calls[0] ?? [];
  expect(options).toMatchObject({ headersTimeout: 10_000, connectionsCheckingInterval: 1000 });
});
