// What the service does, in this process and in memory: no server is needed. `npm test`
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import pino from 'pino';
import { drain } from 'umbel/testing';

/** The other service: answers with these, one after another, then with 204. */
let answers: number[] = [];
let asked: IncomingHttpHeaders[] = [];
const other = createServer((request, response) => {
  asked.push(request.headers);
  request.resume();
  response.writeHead(answers.shift() ?? 204).end();
});
await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));

// Before the application is imported, which reads them once.
process.env.UMBEL_BROKER_URL = 'memory://';
process.env.UMBEL_RESULT_BACKEND = 'memory://';
process.env.NOTIFY_URL = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`; // it listens on a port
const { app, notify } = await import('../src/app.ts');
const { createApi } = await import('../src/api.ts');
const { openHeartbeats } = await import('../src/heartbeats.ts');

let redisIsAway = false;
const heartbeats = {
  count: () => Promise.reject(new Error('not here')),
  status: () => (redisIsAway ? Promise.reject(new Error('away')) : Promise.resolve({ count: 3, last: null })),
  close: () => {},
};
const api = createApi(heartbeats, pino({ enabled: false }));
const post = (body: object, headers: Record<string, string> = {}) =>
  api.request('/notifications', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
interface Seen {
  readonly status: string;
  readonly error: string | null;
}
/** The body as the documentation of the route describes it. */
const bodyOf = async <Body>(response: Response | Promise<Response>): Promise<Body> =>
  (await (await response).json()) as Body;
const greeting = { to: 'ada@example.com', text: 'hello' };

beforeEach(() => {
  answers = [];
  asked = [];
});
after(async () => {
  await app.close();
  other.close();
});

test('a notification is accepted at once and sent by a worker', async () => {
  const accepted = await post(greeting);
  assert.equal(accepted.status, 202);
  assert.equal(asked.length, 0);
  await drain(app);
  assert.equal(asked.length, 1);
  const location = accepted.headers.get('location') ?? '';
  const seen = await bodyOf<Seen>(api.request(location));
  assert.deepEqual([seen.status, seen.error], ['SUCCESS', null]);
});

test('a request that is repeated with its key is one notification', async () => {
  const key = { 'idempotency-key': 'order 7' };
  const [first, second] = [await post(greeting, key), await post(greeting, key)];
  assert.equal(first.headers.get('location'), second.headers.get('location'));
  await drain(app);
  const third = await bodyOf<Seen>(post(greeting, key));
  assert.equal(third.status, 'SUCCESS');
  await drain(app);
  assert.equal(asked.length, 1);
});

test('while the other service is away it is tried again, under one key', async () => {
  answers = [503];
  const sent = await notify.delay(greeting);
  await drain(app, { timeout: 60 });
  assert.equal(await sent.get({ timeout: 0 }), 'sent');
  assert.deepEqual(
    asked.map((headers) => headers['idempotency-key']),
    [sent.id, sent.id],
  );
});

test('what the other service refuses is not tried again', async () => {
  answers = [422];
  const sent = await notify.delay(greeting);
  await drain(app);
  assert.equal(await sent.status(), 'FAILURE');
  assert.equal(asked.length, 1);
  const seen = await bodyOf<Seen>(api.request(`/notifications/${sent.id}`));
  assert.match(seen.error ?? '', /answered 422/);
});

test('a request that does not fit is refused, and nothing is sent', async () => {
  const refused = await post({ to: '' });
  assert.equal(refused.status, 422);
  assert.match((await bodyOf<{ detail: string }>(refused)).detail, /text/);
  for (const text of ['a NUL: \0', 'half a pair: \ud800'])
    assert.equal((await post({ to: 'ada', text })).status, 422);
  const large = await post({ to: 'ada', text: 'x'.repeat(100_000) });
  assert.deepEqual([large.status, await large.json()], [413, { detail: 'the body is larger than 100 kB' }]);
  await drain(app);
  assert.equal(asked.length, 0);
});

test('health says whether Redis answers; the process lives in any case', async () => {
  assert.equal((await api.request('/health')).status, 200);
  redisIsAway = true;
  assert.equal((await api.request('/health')).status, 503);
  assert.equal((await api.request('/livez')).status, 200);
});

test('a heartbeat that is repeated with its id counts once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'service-'));
  const home = process.cwd();
  process.chdir(folder);
  try {
    const counted = openHeartbeats(null, null);
    const counts = [await counted.count('a'), await counted.count('a'), await counted.count('b')];
    assert.deepEqual(counts, [1, 1, 2]);
    assert.equal((await counted.status()).count, 2);
  } finally {
    process.chdir(home);
    rmSync(folder, { recursive: true });
  }
});

test('the documentation is complete and needs no other site', async () => {
  const { paths } = await bodyOf<{ paths: object }>(api.request('/openapi.json'));
  assert.deepEqual(Object.keys(paths), ['/health', '/notifications', '/notifications/{id}']);
  const page = await api.request('/docs');
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  for (const [, path = ''] of (await page.text()).matchAll(/(?:src|href)="([^"]+)"/g))
    assert.equal((await api.request(path)).status, 200, path);
});
