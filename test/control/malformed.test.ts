import { expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { Control } from '../../src/control/control.ts';
import { ClusterState } from '../../src/events/cluster-state.ts';
import { captureEvents } from '../../src/events/receiver.ts';
import { globMatches, isMeant, readReply, readRequest } from '../../src/protocol/control.ts';
import { readEvents } from '../../src/protocol/event.ts';
import { celeryExchanges } from '../../src/stores/fanout.ts';
import { RedisConnection } from '../../src/stores/redis/client/connection.ts';
import { redisSettings } from '../../src/stores/redis/client/settings.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { patience, until } from '../until.ts';
import { newApp, startWorker } from '../worker/bench.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { bodies, message } from './malformed-bodies.ts';

it('readers are total: any bytes are a request, a reply, events, or a refusal', () => {
  for (const body of bodies)
    for (const contentType of ['application/json', 'application/x-python-serialize', 'text/plain', '']) {
      const decoded = { ok: true, value: message(body, contentType) } as const;
      for (const read of [readRequest, readReply, readEvents]) expect(read(decoded)).toHaveProperty('ok');
    }
});

it.each([
  'memory',
  'sqlite',
] as const)('messages that are no requests, replies or events harm nobody, and are said once (%s)', async (kind) => {
  const app = await newApp(kind);
  const add = app.task('add', (x: number, y: number) => x + y);
  const { log } = await startWorker(app);
  await using control = new Control(app);
  await control.ping({ destination: ['celery@here'], ...patience });
  const malformed: string[] = [];
  await captureEvents(app, () => undefined, { onMalformed: (detail) => malformed.push(detail) });
  const { fanout } = await app.broker();
  expect(bodies.length).toBeGreaterThan(100);
  for (const body of bodies) {
    await fanout.publish(celeryExchanges.control, '', message(body));
    await fanout.publish(celeryExchanges.events, 'task.multi', message(body));
    await fanout.publish(celeryExchanges.replies, 'nobody', message(body));
  }
  await fanout.publish(celeryExchanges.control, '', message('x', 'application/x-python-serialize'));
  const { replies } = await control.ping({ destination: ['celery@here'], ...patience });
  expect(replies.get('celery@here')).toEqual({ ok: 'pong' });
  expect(await (await add.delay(2, 3)).get(patience)).toBe(5);
  await until(() => malformed.length > 100);
  const said = log.texts('warn').filter((text) => text.startsWith('a message to workers is no request'));
  expect(said).toHaveLength(1);
  expect(log.texts('error').filter((text) => !text.startsWith('the command'))).toEqual([]);
});

it('requests are read as acceptContent says, and JSON always', async () => {
  const yaml = [
    'method: rate_limit\narguments: {task_name: add, rate_limit: 7/m}\n',
    'application/x-yaml',
  ] as const;
  const limitOf = async (acceptContent: string[]): Promise<string[]> => {
    const app = await newApp('memory', { acceptContent });
    app.task('add', (x: number, y: number) => x + y);
    const { log } = await startWorker(app);
    await using control = new Control(app);
    const { fanout } = await app.broker();
    await fanout.publish(celeryExchanges.control, '', message(...yaml));
    // Heard one after the other.
    const { replies } = await control.ping({ destination: ['celery@here'], ...patience });
    expect(replies.get('celery@here')).toEqual({ ok: 'pong' });
    return log.texts().filter((text) => /rate limit of add|is no request/.test(text));
  };
  expect(await limitOf(['json'])).toEqual([expect.stringContaining('a message to workers is no request')]);
  expect(await limitOf(['yaml'])).toEqual(['rate limit of add changed']);
});

needs(it, noRedis)(
  'bytes of any kind where requests, replies and events travel on Redis harm no worker',
  async () => {
    const redis = await RedisServerProcess.shared();
    const app = new App('malformed', { broker: redis.url(), backend: redis.url() });
    const add = app.task('add', (x: number, y: number) => x + y);
    const log = new MemoryLog();
    const worker = new Worker(app, { name: 'celery@here', logger: log });
    await worker.start();
    await using control = new Control(app);
    const whom = { destination: ['celery@here'], ...patience };
    await control.ping(whom);
    const malformed: string[] = [];
    const state = new ClusterState();
    const hearing = await captureEvents(app, (event) => state.add(event), {
      onMalformed: (detail) => malformed.push(detail),
    });
    const client = await RedisConnection.open(redisSettings(redis.url(), 'test'));
    const queue = String((await replyQueue(client)) ?? '');
    expect(queue).toMatch(/reply\.celery\.pidbox$/);
    for (const body of bodies) {
      // As it is, and where the body of an envelope should be.
      const envelope = JSON.stringify({ body, properties: { delivery_tag: 't', delivery_info: {} } });
      for (const text of [body, envelope])
        await Promise.all([
          client.call(['PUBLISH', `/${redis.db()}.celery.pidbox`, text]),
          client.call(['PUBLISH', `/${redis.db()}.celeryev/task.multi`, text]),
          client.call(['LPUSH', queue, text]),
        ]);
    }
    expect((await control.ping(whom)).replies.get('celery@here')).toEqual({ ok: 'pong' });
    expect(await (await add.delay(2, 3)).get(patience)).toBe(5);
    await until(() => malformed.length > 100);
    const said = log.texts('warn').filter((text) => text.startsWith('a message to workers is no request'));
    expect(said).toHaveLength(1);
    expect(log.texts('error').filter((text) => !text.startsWith('the command'))).toEqual([]);
    await client.close();
    await hearing[Symbol.asyncDispose]();
    await control.close();
    await worker.stop();
    await app.close();
  },
);

/** Where the replies to a mailbox arrive. */
async function replyQueue(client: RedisConnection): Promise<string | undefined> {
  const members = await client.call(['SMEMBERS', '_kombu.binding.reply.celery.pidbox']);
  const [first] = [...(members as Iterable<unknown>)].map(String); // of SMEMBERS
  return first?.split('\u0006\u0016').at(-1);
}

it('a destination is exact, a glob is a glob, and a pattern that cannot be read means nobody', () => {
  const asked = { destination: null, pattern: null, matcher: null };
  expect(isMeant(asked, 'celery@a')).toBe(true);
  expect(isMeant({ ...asked, destination: ['celery@b'] }, 'celery@a')).toBe(false);
  expect(isMeant({ ...asked, pattern: 'celery@*', matcher: 'glob' }, 'celery@a')).toBe(true);
  expect(isMeant({ ...asked, pattern: '(', matcher: 'pcre' }, 'celery@a')).toBe(false);
  for (const [pattern, text, fits] of [
    ['*', '', true],
    ['c?lery@[ab]', 'celery@b', true],
    ['c?lery@[!ab]', 'celery@b', false],
    ['c?lery@[a-f]1', 'celery@c1', true],
    ['[', '[', true],
    ['a*b*c', 'aXXbYYc', true],
    ['a*b*c', 'aXXbYY', false],
  ] as const)
    expect([pattern, text, globMatches(pattern, text)]).toEqual([pattern, text, fits]);
  // One that goes back for each star would not end before this test.
  const began = performance.now();
  expect(globMatches(`${'*a'.repeat(100)}b`, 'a'.repeat(200))).toBe(false);
  if (isLong) globMatches('*a'.repeat(400), 'a'.repeat(400));
  if (isLong) expect(performance.now() - began).toBeLessThan(2000);
});
