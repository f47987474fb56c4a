// The conformance cases of broadcasts and revocations.
import assert from 'node:assert/strict';
import type { WireMessage } from '../protocol/message.ts';
import type { FanoutExchange, Subscription } from '../stores/fanout.ts';
import type { Transport, TransportFeatures } from '../stores/transport.ts';
import { type ConformanceCase, maxWaitMs } from './conformance.ts';

type Case = ConformanceCase<{ open(): Promise<Transport> }, TransportFeatures>;

const events: FanoutExchange = { name: 'celeryev', type: 'topic', durable: true };
const pidbox: FanoutExchange = { name: 'celery.pidbox', type: 'fanout', durable: false };
const replies: FanoutExchange = { name: 'reply.celery.pidbox', type: 'direct', durable: false };

export const fanoutCases: readonly Case[] = [
  check('a broadcast reaches all subscribers, in this process and in others', async (harness) => {
    const transport = await harness.open();
    const one = await listen(await harness.open(), pidbox, ['']);
    const two = await listen(transport, pidbox, ['']);
    await transport.fanout.publish(pidbox, '', messageOf('ping', pidbox));
    assert.deepEqual(await one.next(1), [['', 'ping']]);
    assert.deepEqual(await two.next(1), [['', 'ping']]);
  }),

  check('a subscriber still gets messages after another of its process has unsubscribed', async (harness) => {
    const stays = await listen(await harness.open(), pidbox, ['']);
    const goes = await harness.open();
    await (await listen(goes, pidbox, [''])).end();
    const closes = await harness.open();
    await listen(closes, pidbox, ['']);
    await closes.close();
    await goes.fanout.publish(pidbox, '', messageOf('still there?', pidbox));
    assert.deepEqual(await stays.next(1), [['', 'still there?']]);
  }),

  check('a subscriber gets no message that was sent before it subscribed', async (harness) => {
    const transport = await harness.open();
    await (await listen(transport, pidbox, [''])).end();
    await transport.fanout.publish(pidbox, '', messageOf('early', pidbox));
    const { next } = await listen(transport, pidbox, ['']);
    await transport.fanout.publish(pidbox, '', messageOf('late', pidbox));
    assert.deepEqual(await next(1), [['', 'late']]);
  }),

  check('a topic exchange sends to subscribers whose pattern matches the routing key', async (harness) => {
    const transport = await harness.open();
    const all = await listen(transport, events, ['#']);
    const workers = await listen(transport, events, ['worker.#']);
    for (const key of ['task.sent', 'worker.online', 'task.multi'])
      await transport.fanout.publish(events, key, messageOf(key, events, key));
    assert.deepEqual(
      (await all.next(3)).map(([key]) => key),
      ['task.sent', 'worker.online', 'task.multi'],
    );
    assert.deepEqual(await workers.next(1), [['worker.online', 'worker.online']]);
  }),

  check('a reply reaches its addressee only', async (harness) => {
    const asker = await harness.open();
    const worker = await harness.open();
    const mine = await listen(asker, replies, ['me'], 'me.reply.celery.pidbox');
    const others = await listen(await harness.open(), replies, ['you'], 'you.reply.celery.pidbox');
    await worker.fanout.publish(replies, 'me', messageOf('pong', replies, 'me'));
    await worker.fanout.publish(replies, 'you', messageOf('hello', replies, 'you'));
    await worker.fanout.publish(replies, 'nobody', messageOf('lost', replies, 'nobody'));
    assert.deepEqual(
      (await mine.next(1)).map(([, text]) => text),
      ['pong'],
    );
    assert.deepEqual(
      (await others.next(1)).map(([, text]) => text),
      ['hello'],
    );
  }),

  check('a subscriber gets nothing after it has unsubscribed', async (harness) => {
    const transport = await harness.open();
    const gone = await listen(transport, pidbox, ['']);
    await gone.end();
    const there = await listen(transport, pidbox, ['']);
    await transport.fanout.publish(pidbox, '', messageOf('ping', pidbox));
    await there.next(1);
    assert.deepEqual(gone.received, []);
  }),

  check('a worker is listed by its name while it lives', async (harness) => {
    const transport = await harness.open();
    if ((await transport.fanout.workers()) === null) return; // such a store does not know its workers
    const consumer = await transport.consume({ queues: ['celery'], name: 'celery@one', leaseMs: 15_000 });
    assert.deepEqual(await (await harness.open()).fanout.workers(), ['celery@one']);
    await consumer.close();
    await transport.close();
    assert.deepEqual(await (await harness.open()).fanout.workers(), []);
  }),

  check('a revocation can be read by all handles until it expires', async (harness) => {
    const transport = await harness.open();
    await transport.revocations.put(['old'], Date.now() - 1000);
    await transport.revocations.put(['a', 'b'], Date.now() + 60_000);
    await transport.revocations.put(['a'], Date.now() + 30_000);
    const other = await harness.open();
    assert.deepEqual([...(await other.revocations.read())].sort(), ['a', 'b']);
  }),
];

interface Listening {
  readonly received: (readonly [string, string])[];
  /** Resolves with the first `count` messages, as soon as they have arrived. */
  next(count: number): Promise<readonly (readonly [string, string])[]>;
  end(): Promise<void>;
}

let listeners = 0;

async function listen(
  transport: Transport,
  exchange: FanoutExchange,
  keys: readonly string[],
  queue: string = `conformance.${process.pid}.${++listeners}`,
): Promise<Listening> {
  const received: (readonly [string, string])[] = [];
  const subscription: Subscription = { exchange, keys, queue, ttlMs: maxWaitMs, expiresMs: maxWaitMs };
  const listening = await transport.fanout.subscribe(subscription, (message, key) =>
    received.push([key, message.ok ? Buffer.from(message.value.body).toString() : message.refusal.detail]),
  );
  return {
    received,
    async next(count) {
      const until = performance.now() + maxWaitMs;
      while (received.length < count && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 2));
      return received.slice(0, count);
    },
    end: async () => listening[Symbol.asyncDispose](),
  };
}

function messageOf(text: string, exchange: FanoutExchange, key = ''): WireMessage {
  return {
    body: Buffer.from(text),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { clock: 1 },
    properties: {
      correlationId: null,
      replyTo: null,
      priority: 0,
      deliveryMode: 1,
      expiration: null,
      deliveryTag: null,
      deliveryInfo: { exchange: exchange.name, routing_key: key },
      other: {},
    },
  };
}

function check(title: string, run: Case['run']): Case {
  return { title, needs: [], run };
}
