import { expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayOptions } from '../../src/gateway/options.ts';
import { encodeTask } from '../../src/protocol/task.ts';
import { someMessage } from '../worker/some-message.ts';
import { get, newApp, newGateway, newStore, post, problem, waiting } from './bench.ts';

interface Page {
  readonly deadLetters: readonly { readonly id: number; readonly call: { readonly task: string } | null }[];
  readonly total: number;
  readonly next: string | null;
}

interface Changed {
  readonly done: number;
  readonly missing: number;
  readonly left: number;
}

async function bodyOf<Body>(answer: Promise<Response>): Promise<Body> {
  const response = await answer;
  expect(response.status).toBe(200);
  return (await response.json()) as Body; // the test says what it expects of it
}

/** Dead letters of these tasks, in this order. */
async function withDead(tasks: readonly string[], options: GatewayOptions = {}): Promise<[App, Gateway]> {
  const app = newApp({ broker: await newStore('sqlite') });
  const broker = await app.broker();
  await using consumer = await broker.consume({ queues: ['celery'], name: 'undertaker', leaseMs: 15_000 });
  for (const [at, task] of tasks.entries()) {
    const message = encodeTask(someMessage({ id: `id-${at}`, task, args: [at] }));
    await broker.publish([{ id: `id-${at}`, queue: 'celery', message, eta: null }]);
    const [delivery] = await consumer.claim(() => 1, new AbortController().signal);
    await delivery?.settle({ kind: 'dead', reason: 'rejected', detail: 'because' });
  }
  return [app, newGateway(app, { deadLetters: true, ...options })];
}

it('dead letters are listed by pages, and found by what they are', async () => {
  const [, gateway] = await withDead(['a', 'b', 'a', 'b', 'a'], { basePath: '/api' });
  const first = await bodyOf<Page>(get(gateway, '/api/dead-letters?limit=2&task=a'));
  expect(first.deadLetters.map(({ id }) => id)).toEqual([5, 3]);
  expect(first).toMatchObject({ total: 5, next: '/api/dead-letters?limit=2&task=a&before=3' });
  const second = await bodyOf<Page>(get(gateway, first.next ?? ''));
  expect(second).toMatchObject({ deadLetters: [{ id: 1 }], next: null });
  const since = new Date(Date.now() + 1000).toISOString();
  expect((await bodyOf<Page>(get(gateway, `/api/dead-letters?died_after=${since}`))).deadLetters).toEqual([]);
});

it('one is shown with its call, and its bytes as they came', async () => {
  const [app, gateway] = await withDead(['a']);
  expect(await bodyOf(get(gateway, '/dead-letters/1'))).toMatchObject({
    id: 1,
    queue: 'celery',
    reason: 'rejected',
    detail: 'because',
    crashes: 0,
    call: { id: 'id-0', task: 'a', args: [0] },
    links: { raw: '/dead-letters/1/raw' },
  });
  const response = await get(gateway, '/dead-letters/1/raw');
  const letter = await app.deadLetters.get(1);
  expect(Buffer.from(await response.arrayBuffer()).equals(letter?.raw ?? Buffer.of())).toBe(true);
  for (const path of ['/dead-letters/2', '/dead-letters/2/raw', '/dead-letters/x', '/dead-letters/-1'])
    expect(await problem(get(gateway, path))).toMatchObject({ status: 404 });
});

it('those that a filter finds are replayed or discarded, the oldest so many of them', async () => {
  const [app, gateway] = await withDead(['a', 'b', 'a', 'b', 'a']);
  const replayed = await bodyOf<Changed>(post(gateway, '/dead-letters/replay?task=a&limit=2&rate=1000'));
  expect(replayed).toEqual({ done: 2, missing: 0, left: 1 });
  expect(await waiting(app)).toBe(2);
  const discarded = await bodyOf<Changed>(post(gateway, '/dead-letters/discard?task=b'));
  expect(discarded).toEqual({ done: 2, missing: 0, left: 0 });
  expect(await bodyOf<Changed>(post(gateway, '/dead-letters/5/replay'))).toMatchObject({ done: 1 });
  expect(await problem(post(gateway, '/dead-letters/5/replay'))).toMatchObject({ status: 404 });
  expect(await app.deadLetters.count()).toBe(0);
});

it('a slow replay ends with the time of a request, and says what is left', async () => {
  const [, gateway] = await withDead(['a', 'a', 'a'], { maxWait: '1s' });
  const replayed = await bodyOf<Changed>(post(gateway, '/dead-letters/replay?all=true&rate=1/h'));
  expect(replayed).toEqual({ done: 1, missing: 0, left: 2 });
});

it('what is not said changes nothing: all are meant by all=true only, and no parameter is overlooked', async () => {
  const [app, gateway] = await withDead(['a']);
  const wrong = [
    '',
    '?all=yes',
    '?all=true&task=a',
    '?tsak=a',
    '?reason=none',
    '?task=a&limit=0',
    '?task=a&rate=fast',
  ];
  for (const query of wrong) {
    const answer = await problem(post(gateway, `/dead-letters/discard${query}`));
    expect(answer, query).toMatchObject({ status: 400, errors: [{ parameter: expect.any(String) }] });
  }
  expect(await problem(post(gateway, '/dead-letters/1/discard?task=b'))).toMatchObject({ status: 400 });
  expect(await app.deadLetters.count()).toBe(1);
});

it('a gateway that was not told to serves no dead letters, nor does it without the API key', async () => {
  const [app, closed] = await withDead(['a'], { deadLetters: false });
  const paths = ['/dead-letters', '/dead-letters/1', '/dead-letters/1/raw'];
  for (const path of paths) expect((await problem(get(closed, path))).status).toBe(404);
  const guarded = newGateway(app, { deadLetters: true, apiKeys: ['secret'] });
  for (const path of paths) expect((await problem(get(guarded, path))).status).toBe(401);
  const posts = ['/dead-letters/discard?all=true', '/dead-letters/1/discard', '/dead-letters/1/replay'];
  for (const path of posts) {
    expect((await problem(post(closed, path))).status).toBe(404);
    expect((await problem(post(guarded, path))).status).toBe(401);
  }
  expect(await app.deadLetters.count()).toBe(1);
});
