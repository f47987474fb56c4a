import { expect, it } from 'vitest';
import { z } from 'zod';
import type { App } from '../../src/app/app.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import {
  type Headers,
  newApp,
  newGateway,
  post,
  problem,
  read,
  send,
  startWorker,
  waiting,
} from './bench.ts';

const order = z.object({
  customer: z.string().min(1),
  rows: z.array(z.object({ id: z.number().int(), amount: z.number().positive() })).default([]),
});

function newShop(): App {
  const app = newApp();
  app.task('shop.add', (x: number, y: number) => x + y);
  app.task('shop.echo', (value: unknown) => value);
  app.task('shop.order', { input: order }, ({ customer, rows }) => `${customer}: ${rows.length}`);
  return app;
}

async function run(app: App, id: string): Promise<unknown> {
  await startWorker(app);
  return app.result(id).get({ timeout: 60 });
}

it('a call is accepted with the place where its state is told', async () => {
  const app = newShop();
  const response = await post(newGateway(app), '/tasks/shop.add', { args: [2, 3] });
  expect(response.status).toBe(202);
  const { id, ...body } = await read(response);
  expect(response.headers.get('location')).toBe(`/tasks/${id}`);
  expect(body).toEqual({
    task: 'shop.add',
    status: 'PENDING',
    links: { self: `/tasks/${id}`, result: `/tasks/${id}/result`, events: `/tasks/${id}/events` },
  });
  expect(await run(app, id)).toBe(5);
});

it('a keyword task takes its input as the body', async () => {
  const app = newShop();
  const id = await send(newGateway(app), '/tasks/shop.order', {
    customer: 'Ann',
    rows: [{ id: 1, amount: 2 }],
  });
  expect(await run(app, id)).toBe('Ann: 1');
});

it('a call without a body is a call without arguments', async () => {
  const app = newApp();
  app.task('shop.now', () => 'now');
  expect(await run(app, await send(newGateway(app), '/tasks/shop.now'))).toBe('now');
});

it('integers beyond 2^53 reach the task exactly', async () => {
  const app = newApp();
  app.task('shop.text', (value: bigint) => value.toString());
  const id = await send(newGateway(app), '/tasks/shop.text', '{"args": [9007199254740993]}');
  expect(await run(app, id)).toBe('9007199254740993');
});

it('NaN and Infinity are read, as Python writes them', async () => {
  const app = newApp();
  app.task('shop.text', (...values: number[]) => values.join());
  const id = await send(newGateway(app), '/tasks/shop.text', '{"args": [NaN, -Infinity]}');
  expect(await run(app, id)).toBe('NaN,-Infinity');
});

it('members called __proto__ are data and touch nothing', async () => {
  const app = newShop();
  const id = await send(newGateway(app), '/tasks/shop.echo', '{"args": [{"__proto__": {"bad": 1}}]}');
  expect(JSON.stringify(await run(app, id))).toBe('{"__proto__":{"bad":1}}');
  expect(Reflect.get({}, 'bad')).toBeUndefined();
});

it('a name with unusual characters is reached by its encoded form', async () => {
  const app = newApp();
  app.task('größe/a b%20?', () => 'found');
  const id = await send(newGateway(app), `/tasks/${encodeURIComponent('größe/a b%20?')}`);
  expect(await run(app, id)).toBe('found');
});

it('an unknown task is 404 and names the one that was probably meant', async () => {
  const response = await post(newGateway(newShop()), '/tasks/shop.ad', {});
  expect(response.status).toBe(404);
  expect(await problem(response)).toMatchObject({
    code: 'UMBEL_UNKNOWN_TASK',
    detail: expect.stringContaining("did you mean 'shop.add'?"),
  });
});

it('input that does not fit is 422 with the path of each thing that is wrong, and nothing is sent', async () => {
  const app = newShop();
  const response = await post(newGateway(app), '/tasks/shop.order', {
    customer: '',
    rows: [
      { id: 1, amount: 1 },
      { id: 'two', amount: -1 },
    ],
  });
  expect(response.status).toBe(422);
  const { errors, code } = await problem(response);
  expect(code).toBe('UMBEL_INVALID_ARGUMENTS');
  expect(errors.map(({ path }) => path)).toEqual(['$.customer', '$.rows[1].id', '$.rows[1].amount']);
  expect(await waiting(app)).toBe(0);
});

it.each([
  ['a list', '[2, 3]', '$'],
  ['text', '"2"', '$'],
  ['null', 'null', '$'],
  ['another member than args', '{"x": 2}', '$'],
  ['args that are no list', '{"args": {"0": 2}}', '$.args'],
])('a positional task refuses %s and shows how it is called', async (_, body, path) => {
  const response = await post(newGateway(newShop()), '/tasks/shop.add', body);
  expect(response.status).toBe(422);
  const { errors, detail } = await problem(response);
  expect(errors[0]?.path).toContain(path);
  expect(path === '$' ? detail : '{"args":').toContain('{"args":');
});

it.each(['[1]', '7', 'null', '"text"'])('a keyword task refuses the body %s', async (body) => {
  expect((await post(newGateway(newShop()), '/tasks/shop.order', body)).status).toBe(422);
});

it.each([
  ['{"args": [1,]}', /character|position|column|at \d/],
  ['{"args": [1}', /character|position|column|at \d/],
  ['{', /./],
  ['\u0000', /./],
  ['{"a": 1} {"b": 2}', /./],
])('malformed JSON is 400 and says where: %s', async (body, where) => {
  const response = await post(newGateway(newShop()), '/tasks/shop.add', body);
  expect(response.status).toBe(400);
  expect((await problem(response)).detail).toMatch(where);
});

it('bytes that are not UTF-8 are 400', async () => {
  const gateway = newGateway(newShop());
  const request = new Request('http://localhost/tasks/shop.echo', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  });
  expect((await gateway.fetch(request)).status).toBe(400);
});

it('a body nested a hundred thousand deep is refused at once', async () => {
  const deep = `{"args": [${'['.repeat(100_000)}${']'.repeat(100_000)}]}`;
  const response = await post(newGateway(newShop()), '/tasks/shop.echo', deep);
  expect([400, 413, 422]).toContain(response.status);
});

it.each<[string, Headers]>([
  ['no content type', {}],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['plain text', { 'content-type': 'text/plain' }],
  ['another charset', { 'content-type': 'application/json; charset=latin1' }],
  ['a compressed body', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
])('%s is 415', async (_, headers) => {
  const request = new Request('http://localhost/tasks/shop.add', {
    method: 'POST',
    body: new Blob(['{"args":[1,2]}']),
    headers,
  });
  const response = await newGateway(newShop()).fetch(request);
  expect(response.status).toBe(415);
  await problem(response);
});

it.each([
  'application/json; charset=UTF-8',
  'application/vnd.shop+json',
  'Application/JSON',
])('the content type %s is JSON', async (type) => {
  expect(
    (await post(newGateway(newShop()), '/tasks/shop.add', '{"args":[1,2]}', { 'content-type': type })).status,
  ).toBe(202);
});

it('a call whose like waits already is 409 if its task is unique, and names that one', async () => {
  const app = newShop();
  app.task('shop.sync', { unique: true }, (account: number) => account);
  const gateway = newGateway(app);
  const id = await send(gateway, '/tasks/shop.sync', { args: [7] });
  const response = await post(gateway, '/tasks/shop.sync', { args: [7] });
  expect(response.status).toBe(409);
  expect(await read(response)).toMatchObject({
    code: 'UMBEL_DUPLICATE_TASK',
    detail: expect.stringContaining(id),
  });
});

it('a body above the limit is 413 and no more of it is read than the limit', async () => {
  const gateway = newGateway(newShop(), { maxBodySize: 1000 });
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 100;
      controller.enqueue(new Uint8Array(100).fill(0x20));
    },
  });
  const response = await gateway.fetch(
    new Request('http://localhost/tasks/shop.add', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: endless,
      duplex: 'half',
    }),
  );
  expect(response.status).toBe(413);
  expect(pulled).toBeLessThan(3000);
});

it('the body limit is 1 MiB if nothing is said', async () => {
  const gateway = newGateway(newShop());
  const body = (size: number): string =>
    JSON.stringify({ args: ['x'.repeat(size - '{"args":["",1]}'.length), 1] });
  expect((await post(gateway, '/tasks/shop.add', body(1024 * 1024))).status).toBe(202);
  expect((await post(gateway, '/tasks/shop.add', body(1024 * 1024 + 1))).status).toBe(413);
});

it('a call above the application’s maxMessageSize is 413', async () => {
  const app = newApp({ maxMessageSize: 2000 });
  app.task('shop.echo', (value: unknown) => value);
  const response = await post(newGateway(app), '/tasks/shop.echo', { args: ['x'.repeat(3000)] });
  expect(response.status).toBe(413);
  expect((await problem(response)).code).toBe('UMBEL_PAYLOAD_TOO_LARGE');
});

it('the query says when, where and how urgently a call is run', async () => {
  const app = newShop();
  const gateway = newGateway(app);
  await send(gateway, '/tasks/shop.add?queue=slow&priority=3&countdown=10m&expires=1h', { args: [1, 2] });
  await send(
    gateway,
    '/tasks/shop.add?queue=slow&eta=2999-01-01T00:00:00%2B02:00&expires=2999-01-02T00:00:00Z',
    { args: [1, 2] },
  );
  expect(await (await app.broker()).size('slow')).toMatchObject({ ready: 0, scheduled: 2 });
  expect(await waiting(app)).toBe(0);
});

it('a call with an id of the caller’s has that id', async () => {
  const app = newShop();
  const id = await send(newGateway(app), '/tasks/shop.add?task_id=order-17', { args: [1, 2] });
  expect(id).toBe('order-17');
  expect(await run(app, id)).toBe(3);
});

it.each([
  ['countdown', 'countdown=soon'],
  ['countdown', 'countdown=-1'],
  ['countdown', 'countdown='],
  ['countdown', 'countdown=1&countdown=2'],
  ['eta', 'eta=tomorrow'],
  ['eta', 'eta=2030-01-01T00:00:00'],
  ['eta', 'eta=2030-01-01T00:00:00Z&countdown=3'],
  ['expires', 'expires=never'],
  ['queue', 'queue='],
  ['queue', 'queue=a%00b'],
  ['priority', 'priority=higher'],
  ['priority', 'priority=256'],
  ['priority', 'priority=1.5'],
  ['task_id', 'task_id='],
  ['contdown', 'contdown=3'],
])('a wrong parameter is 400 and named: %s in ?%s', async (parameter, query) => {
  const app = newShop();
  const response = await post(newGateway(app), `/tasks/shop.add?${query}`, { args: [1, 2] });
  expect(response.status).toBe(400);
  expect((await problem(response)).errors.map((error) => error.parameter)).toContain(parameter);
  expect(await waiting(app)).toBe(0);
});

it('a priority may be given by name where the application does so', async () => {
  const app = newApp({ taskDefaultPriority: 'normal' });
  app.task('shop.add', (x: number, y: number) => x + y);
  await send(newGateway(app), '/tasks/shop.add?priority=low', { args: [1, 2] });
  const refused = await problem(
    post(newGateway(newShop()), '/tasks/shop.add?priority=low', { args: [1, 2] }),
  );
  expect(refused).toMatchObject({ status: 400, detail: expect.stringContaining('taskDefaultPriority') });
});

it('a time that no calendar holds is the client’s mistake', async () => {
  const response = await post(newGateway(newShop()), '/tasks/shop.add?countdown=99999999999d', {
    args: [1, 2],
  });
  expect(response.status).toBe(400);
});

it('a mistyped parameter gets a hint', async () => {
  const response = await post(newGateway(newShop()), '/tasks/shop.add?prority=3', { args: [1, 2] });
  expect((await problem(response)).detail).toContain("did you mean 'priority'?");
});

it('a broker that refuses is 503 with the time to try again, and its error stays in the log', async () => {
  const app = newShop();
  const broker = await app.broker();
  broker.publish = async () => {
    throw new BrokerUnavailable('disk full on /secret/place');
  };
  const response = await post(newGateway(app), '/tasks/shop.add', { args: [1, 2] });
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(JSON.stringify(await problem(response))).not.toContain('secret');
});

it('a closed application is nothing that the client could mend', async () => {
  const app = newShop();
  await app.close();
  const response = await post(newGateway(app), '/tasks/shop.add', { args: [1, 2] });
  expect(response.status).toBeGreaterThanOrEqual(500);
  await problem(response);
});

it('a task that keeps no result is accepted without links to one', async () => {
  const app = newApp();
  app.task('shop.fire', { ignoreResult: true }, () => 1);
  const response = await post(newGateway(app), '/tasks/shop.fire');
  expect(response.status).toBe(202);
  expect(response.headers.get('location')).toBeNull();
  expect((await read(response)).links).toEqual({});
});
