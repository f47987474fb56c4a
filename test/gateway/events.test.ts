import { describe, expect, it } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { scaled } from '../run/scale.ts';
import { until } from '../until.ts';
import {
  type Answer,
  countWatches,
  get,
  newApp,
  newGateway,
  newStore,
  send,
  startServer,
  startWorker,
} from './bench.ts';

interface SeenEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Answer;
}

/** Reads a stream of server-sent events as EventSource does; a comment is an event called ':'. */
async function* eventsIn(response: Response): AsyncGenerator<SeenEvent, void> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string): string =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      if (lines[0]?.startsWith(':'))
        yield { event: ':', id: '', data: {} as Answer }; // a comment has none
      else if (field('data') !== '')
        yield { event: field('event'), id: field('id'), data: JSON.parse(field('data')) };
    }
  }
}

async function all(response: Response): Promise<SeenEvent[]> {
  const events: SeenEvent[] = [];
  for await (const event of eventsIn(response)) events.push(event);
  return events;
}

function newShop(): {
  readonly app: App;
  readonly gateway: Gateway;
  readonly finish: (value: string) => void;
} {
  const app = newApp();
  const gate = deferred<string>();
  app.task('shop.slow', () => gate.promise);
  return { app, gateway: newGateway(app), finish: gate.resolve };
}

describe.each(['memory', 'sqlite'] as const)('the events of a call on %s', (kind) => {
  it('are its states and its progress, and end with the last state', async () => {
    const app = newApp({ broker: await newStore(kind), taskTrackStarted: true });
    const steps = [deferred<void>(), deferred<void>()];
    app.task('shop.steps', { bind: true }, async (task) => {
      for (const [index, step] of steps.entries()) {
        await step.promise;
        await task.updateState('PROGRESS', { done: index + 1 });
      }
      return 'all';
    });
    const gateway = newGateway(app);
    const id = await send(gateway, '/tasks/shop.steps');
    const response = await get(gateway, `/tasks/${id}/events`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const seen: SeenEvent[] = [];
    for await (const event of eventsIn(response)) {
      seen.push(event);
      if (event.data.status === 'PENDING') await startWorker(app);
      if (event.data.status === 'STARTED') steps[0]?.resolve();
      if (event.event === 'progress') steps[1]?.resolve();
    }
    const last = seen.at(-1);
    expect(last).toMatchObject({ event: 'state', data: { id, status: 'SUCCESS', result: 'all' } });
    expect(seen.map(({ data }) => data.status)).toEqual(
      expect.arrayContaining(['PENDING', 'STARTED', 'PROGRESS']),
    );
    expect(seen.find(({ event }) => event === 'progress')?.data).toMatchObject({
      status: 'PROGRESS',
      progress: { done: 1 },
    });
    expect(new Set(seen.map((event) => event.id)).size).toBe(seen.length);
  });
});

it('the events of a call that has ended are its last state', async () => {
  const { app, gateway, finish } = newShop();
  await startWorker(app);
  finish('done');
  const id = await send(gateway, '/tasks/shop.slow');
  await app.result(id).get({ timeout: 60 });
  const events = await all(await get(gateway, `/tasks/${id}/events`));
  expect(events).toMatchObject([{ event: 'state', data: { status: 'SUCCESS', result: 'done' } }]);
});

it('a client that comes back is not told again what it has seen; when that was the end, it need not come back', async () => {
  const { app, gateway, finish } = newShop();
  const id = await send(gateway, '/tasks/shop.slow');
  const first = await get(gateway, `/tasks/${id}/events`);
  const [pending] = [(await eventsIn(first).next()).value];
  const again = get(gateway, `/tasks/${id}/events`, { 'last-event-id': pending?.id ?? '' });
  await startWorker(app);
  finish('done');
  const events = await all(await again);
  expect(events.map(({ data }) => data.status)).not.toContain('PENDING');
  const end = events.at(-1)?.id ?? '';
  const over = await get(gateway, `/tasks/${id}/events`, { 'last-event-id': end });
  expect(over.status).toBe(204); // what makes an EventSource stop asking
});

it('a stream in which nothing happens is kept open by comments', async () => {
  const app = newApp();
  app.task('shop.slow', () => 1);
  const gateway = newGateway(app, { heartbeat: '20ms' });
  const id = await send(gateway, '/tasks/shop.slow');
  const events = eventsIn(await get(gateway, `/tasks/${id}/events`));
  let comments = 0;
  for await (const { event } of events) if (event === ':' && ++comments === 3) break;
  expect(comments).toBe(3);
});

it('HEAD of a stream opens none', async () => {
  const { app } = newShop();
  const gateway = newGateway(app, { maxWaiting: 1 });
  const id = await send(gateway, '/tasks/shop.slow');
  for (let times = 0; times < 3; times++) {
    const head = new Request(`http://localhost/tasks/${id}/events`, { method: 'HEAD' });
    const response = await gateway.fetch(head);
    expect([response.status, response.body]).toEqual([200, null]);
  }
  const stream = await get(gateway, `/tasks/${id}/events`);
  expect(stream.status).toBe(200); // the only place is free
  await stream.body?.cancel();
});

it('a reader that stops reading gives its place and its watch back', async () => {
  const { app } = newShop();
  const watching = await countWatches(app);
  const gateway = newGateway(app, { maxWaiting: 1 });
  const id = await send(gateway, '/tasks/shop.slow');
  for (let times = 0; times < 3; times++) {
    const stream = await get(gateway, `/tasks/${id}/events`);
    expect(stream.status).toBe(200);
    const events = eventsIn(stream);
    await events.next();
    await events.return();
  }
  await until(() => watching() === 0);
});

it('a gateway that closes ends its streams and waits at once, and takes no new ones', async () => {
  const { app, gateway } = newShop();
  const watching = await countWatches(app);
  const id = await send(gateway, '/tasks/shop.slow');
  const stream = await get(gateway, `/tasks/${id}/events`);
  const wait = get(gateway, `/tasks/${id}/result?wait=60`);
  const events = eventsIn(stream);
  await events.next();
  const rest = events.next();
  await until(() => watching() === 2);
  gateway.close();
  expect((await rest).done).toBe(true);
  expect((await wait).status).toBe(202);
  expect((await get(gateway, `/tasks/${id}/events`)).status).toBe(503);
});

it('a client that leaves releases its watch', async () => {
  const { app } = newShop();
  const watching = await countWatches(app);
  const server = await startServer(app);
  const sent = await fetch(`${server.url}/tasks/shop.slow`, { method: 'POST' });
  const { id } = (await sent.json()) as Answer;
  const client = new AbortController();
  const response = await fetch(`${server.url}/tasks/${id}/events`, { signal: client.signal });
  await eventsIn(response).next();
  await until(() => watching() === 1);
  client.abort();
  await until(() => watching() === 0);
});

it('a great many viewers see the end, and all are released', async () => {
  const { app, gateway, finish } = newShop();
  const watching = await countWatches(app);
  const id = await send(gateway, '/tasks/shop.slow');
  const viewers = scaled(200, 1000);
  const streams = await Promise.all(
    Array.from({ length: viewers }, () => get(gateway, `/tasks/${id}/events`)),
  );
  const seen = Promise.all(streams.map(all));
  await until(() => watching() === viewers);
  await startWorker(app);
  finish('done');
  for (const events of await seen)
    expect(events.at(-1)?.data).toMatchObject({ status: 'SUCCESS', result: 'done' });
  expect(watching()).toBe(0);
});

it('a client that does not read costs no memory: changes it has not asked for are not kept for it', async () => {
  const { app, gateway } = newShop();
  const id = await send(gateway, '/tasks/shop.slow');
  const response = await get(gateway, `/tasks/${id}/events`);
  const backend = await app.backend();
  const big = 'x'.repeat(10_000);
  for (let done = 0; done < 500; done++) {
    await backend?.put({
      taskId: id,
      status: 'PROGRESS',
      result: { done, big },
      traceback: null,
      children: [],
      dateDone: null,
    });
  }
  await backend?.put({
    taskId: id,
    status: 'SUCCESS',
    result: 1,
    traceback: null,
    children: [],
    dateDone: new Date(),
  });
  const events = await all(response);
  expect(events.length).toBeLessThan(20);
  expect(events.at(-1)?.data.status).toBe('SUCCESS');
});
