// The conformance suite of transports.
import assert from 'node:assert/strict';
import type { Clock } from '../lib/clock.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type {
  Consumer,
  PeekedMessage,
  PeekOptions,
  Transport,
  TransportFeatures,
} from '../stores/transport.ts';
import { auditCase } from './audit-cases.ts';
import {
  type ConformanceCase,
  claim,
  claimNothing,
  claimOne,
  idOf,
  maxWaitMs,
  publication,
} from './conformance.ts';
import { FakeClock } from './fake-clock.ts';
import { fanoutCases } from './fanout-cases.ts';
import { healthCase } from './health-cases.ts';
import { historyStreamCases } from './history-stream-cases.ts';
import { limitReportCase, lockListCase } from './limit-cases.ts';
import { pauseCase } from './pause-cases.ts';
import { quarantineCases } from './quarantine-cases.ts';
import { heldCases, waitingCases } from './waiting-cases.ts';

/** The parts of a driver that the suite needs. Each case gets its own harness, on an empty store. */
export interface TransportHarness {
  /**
   * Opens a handle on the store, each time as if from another process, if processes can share the driver's store. `clock` is for drivers that
   * accept one. It stands still, so that a driver that only polls would never poll again.
   */
  open(options?: { readonly clock?: Clock }): Promise<Transport>;
  /** Opens a result backend whose writes can be part of this transport's settlements (`atomicSettlement`). */
  openBackend(transport: Transport, options: { readonly expiresMs: number | null }): Promise<ResultBackend>;
  /** Puts raw bytes into a queue, as another program could. */
  putRaw(queue: string, raw: Uint8Array): Promise<void>;
  /** Simulates the sudden death of the consumer's process. */
  kill(consumer: Consumer): Promise<void>;
}

type Case = ConformanceCase<TransportHarness, TransportFeatures>;

const join = (transport: Transport, queues: readonly string[] = ['celery']): Promise<Consumer> =>
  transport.consume({ queues, name: 'conformance', leaseMs: 15_000 });

function check(title: string, run: Case['run'], ...needs: (keyof TransportFeatures)[]): Case {
  return { title, needs, run };
}

const record = (taskId: string, status: string, result: unknown = null): ResultRecord => ({
  taskId,
  status,
  result,
  traceback: null,
  children: [],
  dateDone: isReady(status) ? new Date() : null,
});

/** Position, due time and id of a peeked message; id null: the message was left out. */
const shown = ({ position, due, message }: PeekedMessage): unknown => [
  position,
  due,
  message === null ? null : message.ok && message.value.headers.id,
];

const day = { expiresMs: 86_400_000 };

/** The result in the record of a failed task. */
const exception = { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' };

/** The conformance suite of the contract `Transport`. */
export const transportConformance: readonly Case[] = [
  check('messages of one queue are delivered in the order in which they were sent', async (harness) => {
    const transport = await harness.open();
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    await transport.publish([publication('c')]);
    const consumer = await join(transport);
    assert.deepEqual((await claim(consumer, 3)).map(idOf), ['a', 'b', 'c']);
  }),

  check('a message arrives as it was sent', async (harness) => {
    const transport = await harness.open();
    const queue = 'größer "than" it\'s; -- usual';
    const { message, ...rest } = publication('a', { queue, priority: 3 });
    await transport.publish([{ ...rest, message }]);
    const delivery = await claimOne(await join(transport, [queue]));
    if (!delivery.message.ok) fail(delivery.message.refusal.detail);
    const { headers, body, contentType, contentEncoding, properties } = delivery.message.value;
    assert.equal(delivery.queue, queue);
    assert.deepEqual(headers, message.headers);
    assert.deepEqual(Buffer.from(body), Buffer.from(message.body));
    assert.deepEqual([contentType, contentEncoding], [message.contentType, message.contentEncoding]);
    const { priority, correlationId, replyTo } = message.properties;
    assert.deepEqual(
      [properties.priority, properties.correlationId, properties.replyTo],
      [priority, correlationId, replyTo],
    );
    assert.deepEqual(await transport.queues(), [queue]);
  }),

  check('a large batch with a large message is delivered completely and in order', async (harness) => {
    const transport = await harness.open();
    const batch = Array.from({ length: 1500 }, (_, n) => publication(`m${n}`));
    const big = publication('big', { text: 'x'.repeat(3_000_000) });
    await transport.publish([...batch, big]);
    const deliveries = await claim(await join(transport), batch.length + 1);
    assert.deepEqual(deliveries.map(idOf), [...batch.map(({ id }) => id), 'big']);
    const last = deliveries.at(-1)?.message;
    assert.deepEqual(last?.ok && Buffer.from(last.value.body), Buffer.from(big.message.body));
  }),

  check(
    'messages are delivered by priority, and messages of equal priority in the order of sending',
    async (harness) => {
      const transport = await harness.open();
      const sent: readonly [string, number][] = [
        ['late', 9],
        ['b', 3],
        ['first', 0],
        ['c', 3],
      ];
      for (const [id, priority] of sent) await transport.publish([publication(id, { priority })]);
      assert.deepEqual((await claim(await join(transport), 4)).map(idOf), ['first', 'b', 'c', 'late']);
    },
    'priority',
  ),

  check(
    'a consumer gets messages of its own queues only, and queues with messages of equal priority take turns',
    async (harness) => {
      const transport = await harness.open();
      const ids = ['a1', 'a2', 'b1', 'b2', 'x1'];
      await transport.publish(ids.map((id) => publication(id, { queue: id.slice(0, 1) })));
      const consumer = await join(transport, ['a', 'b']);
      const got: string[] = [];
      for (let n = 0; n < 4; n++) got.push(idOf(await claimOne(consumer)));
      assert.deepEqual(got, ['a1', 'b1', 'a2', 'b2']);
      assert.deepEqual(await transport.size('x'), { ready: 1, scheduled: 0, claimed: 0 });
    },
  ),

  check(
    'a claim takes no more messages than its limit, and reads the limit when it takes them',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish(['a', 'b', 'c', 'd'].map((id) => publication(id)));
      const consumer = await join(transport);
      let room = 3;
      const claiming = consumer.claim(() => room, AbortSignal.timeout(maxWaitMs));
      room = 1;
      assert.equal((await claiming).length, 1);
      // A broker that pushes may deliver them in several claims.
      assert.equal((await claim(consumer, 2)).length, 2);
    },
  ),

  check('a waiting claim is woken by a message that is sent later', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = claimOne(consumer);
    await settled(transport);
    await transport.publish([publication('a')]);
    assert.equal(idOf(await claiming), 'a');
  }),

  check(
    'a waiting claim is woken by another process, and not by polling',
    async (harness) => {
      const clock = new FakeClock(Date.now());
      const [sender, receiver] = [await harness.open(), await harness.open({ clock })];
      const consumer = await join(receiver);
      for (let n = 0; n < 21; n++) {
        const claiming = claimOne(consumer);
        await settled(receiver, 5);
        await sender.publish([publication(`m${n}`)]);
        const delivery = await claiming;
        assert.equal(idOf(delivery), `m${n}`);
        await delivery.settle({ kind: 'ack' });
      }
    },
    'multiProcess',
  ),

  check('an aborted claim ends without a message, and loses none', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const abort = new AbortController();
    const claiming = consumer.claim(() => 1, abort.signal);
    abort.abort();
    const taken = await claiming;
    await transport.publish([publication('a')]);
    const { ready, claimed } = await transport.size('celery');
    assert.equal(ready + claimed, 1);
    assert.equal(taken.length, 0);
    assert.equal(idOf(await claimOne(consumer)), 'a');
    assert.deepEqual(await consumer.claim(() => 1, AbortSignal.abort()), []);
  }),

  check('a claim may begin before an aborted one has ended', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const abort = new AbortController();
    const aborted = consumer.claim(() => 1, abort.signal);
    await settled(transport);
    abort.abort();
    const claiming = claimOne(consumer);
    assert.deepEqual(await aborted, []);
    await settled(transport);
    await transport.publish([publication('a')]);
    assert.equal(idOf(await claiming), 'a');
  }),

  check('a consumer that stops waiting takes no wake-up from consumers that still wait', async (harness) => {
    const transport = await harness.open();
    const [aborting, closing, staying] = [
      await join(transport),
      await join(transport),
      await join(transport),
    ];
    const abort = new AbortController();
    const quitting = [
      aborting.claim(() => 1, abort.signal),
      closing.claim(() => 1, AbortSignal.timeout(maxWaitMs)),
    ];
    await settled(transport);
    const claiming = claim(staying, 2);
    await settled(transport);
    const publishing = transport.publish([publication('a'), publication('b')]);
    abort.abort();
    const leaving = closing.close();
    await publishing;
    const taken = (await Promise.all(quitting)).flat();
    await leaving;
    for (const delivery of taken) await delivery.settle({ kind: 'release', until: null });
    assert.deepEqual((await claiming).map(idOf).sort(), ['a', 'b']);
  }),

  check('each of many messages is delivered to exactly one of many consumers', async (harness) => {
    const total = 2000;
    const handles = [await harness.open(), await harness.open()];
    const consumers = await Promise.all([0, 1, 0, 1].map((n) => join(handles[n] ?? fail())));
    const seen = new Map<string, number>();
    let left = total;
    const done = new AbortController();
    const claiming = consumers.map(async (consumer) => {
      while (!done.signal.aborted) {
        const deliveries = await consumer.claim(() => 7, done.signal);
        await Promise.all(
          deliveries.map(async (delivery) => {
            seen.set(idOf(delivery), (seen.get(idOf(delivery)) ?? 0) + 1);
            assert.equal(await delivery.settle({ kind: 'ack' }), 'settled');
          }),
        );
        left -= deliveries.length;
        if (left <= 0) done.abort();
      }
    });
    for (let n = 0; n < total; n += 100) {
      const batch = Array.from({ length: 100 }, (_, index) => publication(`m${n + index}`));
      await handles[(n / 100) % 2]?.publish(batch);
    }
    await Promise.all(claiming);
    assert.equal(seen.size, total);
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    );
    assert.deepEqual(await handles[0]?.size('celery'), { ready: 0, scheduled: 0, claimed: 0 });
  }),

  check('an acknowledged message is gone', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('a')]);
    const consumer = await join(transport);
    const delivery = await claimOne(consumer);
    assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 1 });
    assert.equal(await delivery.settle({ kind: 'ack' }), 'settled');
    assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 0 });
    assert.deepEqual(await claimNothing(consumer), []);
    await assert.rejects(delivery.settle({ kind: 'ack' }), TypeError);
  }),

  check(
    'a released message is delivered again as the first, marked as redelivered, without a crash',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish(['a', 'b'].map((id) => publication(id)));
      const consumer = await join(transport);
      const first = await claimOne(consumer);
      assert.deepEqual([first.redelivered, first.crashes, first.deferrals], [false, 0, 0]);
      await first.settle({ kind: 'release', until: null });
      const again = await claimOne(consumer);
      assert.deepEqual([idOf(again), again.redelivered, again.crashes, again.deferrals], ['a', true, 0, 0]);
    },
    'keepsPlace',
  ),

  check('a released message is delivered again, marked as redelivered, without a crash', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('a')]);
    const consumer = await join(transport);
    await (await claimOne(consumer)).settle({ kind: 'release', until: null });
    const again = await claimOne(consumer);
    assert.deepEqual([idOf(again), again.redelivered, again.crashes, again.deferrals], ['a', true, 0, 0]);
  }),

  check('a released message wakes another waiting consumer', async (harness) => {
    const [first, second] = [await harness.open(), await harness.open()];
    await first.publish([publication('a'), publication('b')]);
    const leaving = await join(first);
    const [a = fail()] = await claim(leaving, 2);
    const claiming = claim(await join(second), 2);
    await settled(second);
    await a.settle({ kind: 'release', until: null });
    await leaving.close();
    assert.deepEqual((await claiming).map(idOf), ['a', 'b']);
  }),

  check(
    'a message that is released until a time counts no deferral, and a past time means now',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish([publication('a')]);
      const consumer = await join(transport);
      const until = new Date(Date.now() + 60);
      await (await claimOne(consumer)).settle({ kind: 'release', until });
      const again = await claimOne(consumer);
      assert.ok(Date.now() >= until.getTime());
      assert.deepEqual([again.redelivered, again.crashes, again.deferrals], [true, 0, 0]);
      await again.settle({ kind: 'release', until, deferred: true });
      assert.equal((await claimOne(consumer)).deferrals, 1);
    },
  ),

  check('a deferred message is delivered at its time, and each deferral is counted', async (harness) => {
    const transport = await harness.open();
    await transport.publish(['long', 'short'].map((id) => publication(id)));
    const consumer = await join(transport);
    await (await claimOne(consumer)).settle({ kind: 'release', until: inAnHour(), deferred: true });
    if (transport.features.counts) assert.equal((await transport.size('celery')).scheduled, 1);
    const until = new Date(Date.now() + 80);
    await (await claimOne(consumer)).settle({ kind: 'release', until, deferred: true });
    const again = await claimOne(consumer);
    assert.ok(Date.now() >= until.getTime());
    assert.deepEqual([idOf(again), again.deferrals, again.crashes], ['short', 1, 0]);
  }),

  check('a message that is released as crashed counts one more crash', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('a')]);
    const consumer = await join(transport);
    for (const crashes of [0, 1, 2]) {
      const delivery = await claimOne(consumer);
      assert.deepEqual([idOf(delivery), delivery.crashes, delivery.redelivered], ['a', crashes, crashes > 0]);
      await delivery.settle({ kind: 'release', until: null, crashed: true });
    }
    const last = await claimOne(consumer);
    await last.settle({ kind: 'dead', reason: 'max-deliveries', detail: 'it kills' });
    const [letter = fail()] = await transport.deadLetters.list();
    assert.equal(letter.crashes, 3);
  }),

  check('a message is never delivered before its eta', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = claimOne(consumer);
    await transport.publish([publication('in an hour', { eta: inAnHour() })]);
    // On a store that is shared with Python, an eta message is scheduled only when a worker has received it.
    if (transport.features.counts) {
      const late = performance.now() + maxWaitMs;
      while ((await transport.size('celery')).scheduled === 0)
        if (performance.now() > late) throw new Error('the message was not scheduled in time');
      assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 1, claimed: 0 });
    }
    const eta = new Date(Date.now() + 400);
    await transport.publish([publication('soon', { eta })]);
    assert.equal(idOf(await claiming), 'soon');
    assert.ok(Date.now() >= eta.getTime(), 'early');
  }),

  check('waiting messages can be peeked from both ends, and stay in the queue', async (harness) => {
    const transport = await harness.open();
    if (transport.peek === undefined) return;
    const look = async (first: PeekOptions['first'], limit = 9): Promise<unknown> =>
      (await transport.peek?.('celery', { place: 'ready', first, limit }))?.map(shown);
    assert.deepEqual(await look('next'), []);
    for (const id of ['a', 'b', 'c']) await transport.publish([publication(id)]);
    await transport.publish([publication('elsewhere', { queue: 'other' })]);
    const a = [0, null, 'a'];
    const b = [1, null, 'b'];
    const c = [2, null, 'c'];
    assert.deepEqual(await look('next'), [a, b, c]);
    assert.deepEqual(await look('last'), [c, b, a]);
    assert.deepEqual(await look('next', 1), [a]);
    assert.deepEqual(await look('last', 2), [c, b]);
    assert.deepEqual(await transport.peek('celery', { place: 'scheduled', first: 'next', limit: 9 }), []);
    if (transport.features.priority) {
      const [first, last] = transport.features.priorityOrder === 'lowest-first' ? [0, 9] : [9, 0];
      await transport.publish([publication('late', { priority: last })]);
      await transport.publish([publication('d', { priority: first })]);
      assert.deepEqual(await look('last', 2), [
        [4, null, 'late'],
        [3, null, 'd'],
      ]);
    }
    const consumer = await join(transport);
    const first = await claimOne(consumer);
    // Peeking does not change a message.
    assert.deepEqual([idOf(first), first.redelivered, first.crashes], ['a', false, 0]);
    assert.deepEqual(await look('next', 1), [[0, null, 'b']]);
    await first.settle({ kind: 'ack' });
    // The bytes that a peek reads are limited, so the large message is left out.
    await transport.publish([
      publication('big', { text: 'x'.repeat(1_200_000), queue: 'large' }),
      publication('small', { queue: 'large' }),
    ]);
    const large = await transport.peek('large', { place: 'ready', first: 'next', limit: 9 });
    assert.deepEqual(large.map(shown), [
      [0, null, null],
      [1, null, 'small'],
    ]);
  }),

  check('scheduled messages can be peeked from both ends, and stay scheduled', async (harness) => {
    const transport = await harness.open();
    if (transport.peek === undefined) return;
    const look = async (first: PeekOptions['first'], limit = 9): Promise<unknown> =>
      (await transport.peek?.('celery', { place: 'scheduled', first, limit }))?.map(shown);
    const consumer = await join(transport);
    const claiming = claimOne(consumer);
    const [first, second, third] = [1, 2, 3].map((n) => new Date(inAnHour().getTime() + 60_000 * n));
    if (first === undefined || second === undefined || third === undefined) return fail();
    await transport.publish([
      publication('c', { eta: third }),
      publication('a', { eta: first }),
      publication('b', { eta: second }),
      publication('elsewhere', { eta: first, queue: 'other' }),
    ]);
    // On a store that is shared with Python, an eta message is scheduled only when a worker has received it.
    const areScheduled = async (count: number): Promise<void> => {
      const late = performance.now() + maxWaitMs;
      while ((await transport.size('celery')).scheduled < count)
        if (performance.now() > late) throw new Error('the messages were not scheduled in time');
    };
    await areScheduled(3);
    assert.deepEqual(await look('next', 2), [
      [0, first, 'a'],
      [1, second, 'b'],
    ]);
    assert.deepEqual(await look('last', 2), [
      [2, third, 'c'],
      [1, second, 'b'],
    ]);
    assert.equal((await transport.size('celery')).scheduled, 3);
    await transport.publish([publication('now')]);
    assert.equal(idOf(await claiming), 'now');
  }),

  check('an earlier eta than that of other messages is met, and a past eta means now', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    for (const near of ['near', 'nearer', 'nearest']) {
      const claiming = claimOne(consumer);
      await settled(transport);
      await transport.publish([publication('far', { eta: inAnHour() })]);
      const eta = new Date(Date.now() + 60);
      await transport.publish([publication(near, { eta })]);
      assert.equal(idOf(await claiming), near);
      assert.ok(Date.now() >= eta.getTime());
    }
    await transport.publish([publication('past', { eta: new Date(Date.now() - 1000) })]);
    assert.equal(idOf(await claimOne(consumer)), 'past');
  }),

  check(
    'due messages are ordered by priority, then by the order of sending',
    async (harness) => {
      const transport = await harness.open();
      const etaMs = Date.now() + 80;
      const later = (id: string, priority: number, offset: number) =>
        publication(id, { priority, eta: new Date(etaMs + offset) });
      await transport.publish([later('b', 3, 2), later('c', 3, 1), later('a', 0, 3), later('d', 9, 0)]);
      await pastTime(etaMs + 3);
      assert.deepEqual(await transport.size('celery'), { ready: 4, scheduled: 0, claimed: 0 });
      await transport.publish([publication('e', { priority: 9 })]);
      assert.deepEqual((await claim(await join(transport), 5)).map(idOf), ['a', 'b', 'c', 'd', 'e']);
    },
    'priority',
  ),

  check("a dead worker's messages are delivered to others, each with one more crash", async (harness) => {
    const [first, second] = [await harness.open(), await harness.open()];
    await first.publish(['a', 'b'].map((id) => publication(id)));
    const doomed = await join(first);
    assert.equal((await claim(doomed, 2)).length, 2);
    const heir = await join(second);
    const inheriting = claim(heir, 2);
    await harness.kill(doomed);
    const inherited = await inheriting;
    assert.deepEqual(inherited.map(idOf).sort(), ['a', 'b']);
    assert.deepEqual(
      inherited.map(({ crashes, redelivered }) => [crashes, redelivered]),
      [
        [1, true],
        [1, true],
      ],
    );
  }),

  check(
    'each eviction counts a crash; an evicted consumer is notified, and may continue',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish([publication('killer')]);
      const begun = Date.now();
      const consumer = await transport.consume({ queues: ['celery'], name: 'conformance', leaseMs: 6000 });
      let claiming = claimOne(consumer);
      for (const crashes of [0, 1, 2]) {
        const delivery = await claiming;
        assert.equal(delivery.crashes, crashes);
        const leaseLost = new Promise<void>((done) =>
          delivery.lost.addEventListener('abort', () => done(), { once: true }),
        );
        await harness.kill(consumer);
        // The consumer is notified at the next claim, and also without one.
        if (crashes > 0) claiming = claimOne(consumer);
        await within(leaseLost, 'the loss of the lease');
        if (crashes === 0) claiming = claimOne(consumer);
        assert.equal(delivery.isLost, true);
        assert.equal((delivery.lost.reason as { code?: unknown }).code, 'UMBEL_LEASE_LOST');
        assert.equal(await delivery.settle({ kind: 'ack' }), 'fenced');
      }
      const delivery = await claiming;
      assert.equal(await delivery.settle({ kind: 'dead', reason: 'max-deliveries', detail: 'x' }), 'settled');
      const [letter = fail()] = await transport.deadLetters.list();
      assert.equal(letter.crashes, 3);
      // The time is of the store's clock, which may differ from ours.
      assert.ok(letter.diedAt.getTime() >= begun - 60_000);
      assert.ok(Date.now() >= letter.diedAt.getTime() - 60_000);
    },
  ),

  ...quarantineCases,
  ...waitingCases,
  ...heldCases,

  check(
    'an evicted consumer cannot release or dead-letter messages that others hold now',
    async (harness) => {
      const [first, second] = [await harness.open(), await harness.open()];
      await first.publish([publication('a'), publication('b')]);
      const doomed = await join(first);
      const [a = fail(), b = fail()] = await claim(doomed, 2);
      const inheriting = claim(await join(second), 2);
      await harness.kill(doomed);
      const inherited = await inheriting;
      assert.equal(await a.settle({ kind: 'dead', reason: 'rejected', detail: 'stale' }), 'fenced');
      assert.equal(await b.settle({ kind: 'release', until: null }), 'fenced');
      assert.equal(await second.deadLetters.count(), 0);
      assert.deepEqual(await second.size('celery'), { ready: 0, scheduled: 0, claimed: 2 });
      for (const delivery of inherited) assert.equal(await delivery.settle({ kind: 'ack' }), 'settled');
    },
  ),

  check(
    'a settlement of an evicted consumer changes nothing: no result, no message, no removal',
    async (harness) => {
      const [first, second] = [await harness.open(), await harness.open()];
      const backend = await harness.openBackend(first, day);
      await first.publish([publication('a')]);
      const doomed = await join(first);
      const stale = await claimOne(doomed);
      const { lost } = stale;
      const heir = await join(second);
      const inheriting = claim(heir, 1);
      await harness.kill(doomed);
      const [fresh = fail()] = await inheriting;
      const write = backend.writeOf(record('a', 'SUCCESS', 'stale'));
      assert.equal(await stale.settle({ kind: 'ack', write, publish: [publication('ghost')] }), 'fenced');
      assert.equal(await backend.get('a'), undefined);
      assert.equal((await second.size('celery')).ready, 0);
      const heirs = await harness.openBackend(second, day);
      assert.equal(
        await fresh.settle({ kind: 'ack', write: heirs.writeOf(record('a', 'SUCCESS', 'fresh')) }),
        'settled',
      );
      assert.equal((await backend.get('a'))?.result, 'fresh');
      if (lost.aborted) assert.match(String(lost.reason), /lease/i);
    },
    'atomicSettlement',
  ),

  check(
    'result, follow-up message and acknowledgement are one transaction',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      await transport.publish([publication('a')]);
      const consumer = await join(transport);
      const write = backend.writeOf(record('a', 'SUCCESS', 5));
      await (await claimOne(consumer)).settle({
        kind: 'ack',
        write,
        publish: [publication('next', { queue: 'two' })],
      });
      assert.equal((await backend.get('a'))?.result, 5);
      assert.equal((await transport.size('two')).ready, 1);
      assert.equal((await transport.size('celery')).claimed, 0);
    },
    'atomicSettlement',
  ),

  check(
    'a settlement that fails changes nothing, and can be repeated',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      await transport.publish([publication('a')]);
      const delivery = await claimOne(await join(transport));
      const broken = { store: transport.store, apply: (): boolean => fail('no room') };
      await assert.rejects(
        delivery.settle({ kind: 'ack', write: broken, publish: [publication('ghost')] }),
        /no room/,
      );
      assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 1 });
      await delivery.settle({ kind: 'ack', write: backend.writeOf(record('a', 'SUCCESS')) });
      assert.equal((await backend.get('a'))?.status, 'SUCCESS');
    },
    'atomicSettlement',
  ),

  check('a write made for another store is refused, and changes nothing', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('a')]);
    const delivery = await claimOne(await join(transport));
    const foreign = { store: {}, apply: (): boolean => fail('applied') };
    await assert.rejects(delivery.settle({ kind: 'ack', write: foreign }), TypeError);
    const publish = [publication('ghost'), publication('ghost2', { write: foreign })];
    await assert.rejects(delivery.settle({ kind: 'ack', publish }), TypeError);
    await assert.rejects(transport.publish(publish), TypeError);
    assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 1 });
    assert.equal(await delivery.settle({ kind: 'ack' }), 'settled');
  }),

  check(
    'follow-up messages are sent with the acknowledgement and keep their eta, also if their records exist already',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      await backend.put(record('known', 'STARTED'));
      await transport.publish([publication('a')]);
      const consumer = await join(transport);
      const eta = new Date(Date.now() + 60);
      await (await claimOne(consumer)).settle({
        kind: 'ack',
        write: backend.writeOf(record('a', 'RETRY', exception)),
        publish: [
          publication('known', { write: backend.writeOfSent(record('known', 'PENDING')) }),
          publication('new', { eta, write: backend.writeOfSent(record('new', 'PENDING')) }),
          publication('later', { eta: inAnHour(), write: backend.writeOfSent(record('later', 'PENDING')) }),
        ],
      });
      const { ready, scheduled, claimed } = await transport.size('celery');
      assert.deepEqual([ready + scheduled, claimed], [3, 0]);
      assert.ok(scheduled >= 1); // 'new' may be due already
      assert.equal((await backend.get('known'))?.status, 'STARTED');
      assert.equal((await backend.get('new'))?.status, 'PENDING');
      assert.equal(idOf(await claimOne(consumer)), 'known');
      assert.equal(idOf(await claimOne(consumer)), 'new');
      assert.ok(Date.now() >= eta.getTime());
    },
    'atomicSettlement',
  ),

  check(
    'a task id can be used again after its record has expired',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, { expiresMs: 1 });
      await backend.put(record('a', 'SUCCESS', 1));
      while ((await backend.get('a')) !== undefined) await pastTime(Date.now());
      await transport.publish([publication('a', { write: backend.writeOfSent(record('a', 'PENDING')) })]);
      assert.equal((await backend.get('a'))?.status, 'PENDING');
      assert.equal((await transport.size('celery')).ready, 1);
    },
    'atomicSettlement',
  ),

  check(
    'a dead letter and its result are written together',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      await transport.publish([publication('a')]);
      const delivery = await claimOne(await join(transport));
      const write = backend.writeOf(record('a', 'FAILURE', exception));
      await delivery.settle({ kind: 'dead', reason: 'unknown-task', detail: 'not registered', write });
      assert.equal((await backend.get('a'))?.status, 'FAILURE');
      assert.equal(await transport.deadLetters.count(), 1);
    },
    'atomicSettlement',
  ),

  check(
    'several records are written together with an acknowledgement',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      await transport.publish([publication('a')]);
      const delivery = await claimOne(await join(transport));
      await backend.put(record('done', 'SUCCESS', 1));
      const lost = ['b', 'done', 'c'].map((id) => record(id, 'FAILURE', exception));
      const write = backend.writeOf(record('a', 'FAILURE', exception), ...lost);
      assert.equal(await delivery.settle({ kind: 'ack', write }), 'settled');
      for (const id of ['a', 'b', 'c']) assert.equal((await backend.get(id))?.status, 'FAILURE', id);
      assert.equal((await backend.get('done'))?.status, 'SUCCESS');
    },
    'atomicSettlement',
  ),

  check(
    'a task with an existing record is not sent again',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport, day);
      const sent = (): Promise<void> =>
        transport.publish([publication('once', { write: backend.writeOfSent(record('once', 'PENDING')) })]);
      await Promise.all([sent(), sent()]);
      await sent();
      await backend.put(record('ended', 'SUCCESS', 1));
      const again = backend.writeOfSent(record('ended', 'PENDING'));
      await transport.publish([publication('ended', { write: again })]);
      assert.equal((await backend.get('ended'))?.status, 'SUCCESS');
      assert.equal((await transport.size('celery')).ready, 1);
      assert.equal((await backend.get('once'))?.status, 'PENDING');
    },
    'atomicSettlement',
  ),

  check(
    'undecodable bytes reach the consumer as a refusal, and the dead letters unchanged',
    async (harness) => {
      const transport = await harness.open();
      const consumer = await join(transport);
      const raws = [
        Buffer.from([]),
        Buffer.from([0, 255, 254, 10]),
        Buffer.from('{"body": 1'),
        Buffer.from('null'),
        Buffer.from('é\u0000ü'),
      ];
      for (const raw of raws) {
        await harness.putRaw('celery', raw);
        const delivery = await claimOne(consumer);
        assert.equal(delivery.message.ok, false);
        assert.ok(raw.equals(delivery.raw));
        assert.equal(
          await delivery.settle({ kind: 'dead', reason: 'undecodable', detail: 'not JSON' }),
          'settled',
        );
        const [letter = fail()] = await transport.deadLetters.list({ limit: 1 });
        assert.ok(raw.equals(letter.raw));
        assert.deepEqual([letter.queue, letter.reason, letter.detail], ['celery', 'undecodable', 'not JSON']);
      }
      assert.equal(await transport.deadLetters.count(), raws.length);
    },
  ),

  check(
    'dead letters are listed newest first, replayed without crashes and deferrals, and discarded',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish(['a', 'b', 'c'].map((id) => publication(id, { priority: 3 })));
      const consumer = await join(transport);
      for (const delivery of await claim(consumer, 3)) {
        await delivery.settle({ kind: 'dead', reason: 'rejected', detail: idOf(delivery) });
      }
      const { deadLetters } = transport;
      const letters = await deadLetters.list();
      assert.deepEqual(
        letters.map(({ detail }) => detail),
        ['c', 'b', 'a'],
      );
      const [c = fail(), b = fail(), a = fail()] = letters;
      assert.deepEqual(
        (await deadLetters.list({ limit: 1, before: c.id })).map(({ id }) => id),
        [b.id],
      );
      assert.deepEqual(await deadLetters.list({ queue: 'other' }), []);
      assert.equal((await deadLetters.get(a.id))?.detail, 'a');
      assert.equal(await deadLetters.replay(a.id), true);
      assert.equal(await deadLetters.replay(a.id), false);
      const replayed = await claimOne(consumer);
      assert.deepEqual([idOf(replayed), replayed.crashes, replayed.deferrals], ['a', 0, 0]);
      assert.equal(await deadLetters.discard(b.id), true);
      assert.equal(await deadLetters.discard(b.id), false);
      assert.equal(await deadLetters.count(), 1);
    },
  ),

  check('purge deletes waiting and scheduled messages, but no claimed messages', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('held')]);
    const held = await claimOne(await join(transport));
    await transport.publish([publication('waits'), publication('later', { eta: inAnHour() })]);
    await transport.publish([publication('elsewhere', { queue: 'other' })]);
    assert.deepEqual(await transport.queues(), ['celery', 'other']);
    assert.equal(await transport.purge('celery'), transport.features.counts ? 2 : 1);
    assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 1 });
    assert.equal((await transport.size('other')).ready, 1);
    assert.equal(await held.settle({ kind: 'ack' }), 'settled');
  }),

  check('a closing consumer releases its messages at once, without a crash', async (harness) => {
    const transport = await harness.open();
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const leaving = await join(transport);
    const [held = fail()] = await claim(leaving, 2);
    await leaving.close();
    await leaving.close();
    assert.equal(await held.settle({ kind: 'ack' }), 'fenced');
    assert.deepEqual(await leaving.claim(() => 1, AbortSignal.timeout(maxWaitMs)), []);
    const again = await claim(await join(transport), 2);
    assert.deepEqual(
      again.map(({ crashes }) => crashes),
      [0, 0],
    );
    assert.deepEqual(again.map(idOf), ['a', 'b']);
  }),

  check('closing a consumer ends its waiting claim', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = consumer.claim(() => 1, AbortSignal.timeout(maxWaitMs));
    await consumer.close();
    assert.deepEqual(await claiming, []);
  }),

  check('a closed handle has released its messages, and refuses to publish or consume', async (harness) => {
    const [closing, other] = [await harness.open(), await harness.open()];
    await closing.publish([publication('a')]);
    await claimOne(await join(closing));
    await closing.close();
    await closing.close();
    await assert.rejects(closing.publish([publication('ghost')]), { code: 'UMBEL_BROKER_UNAVAILABLE' });
    await assert.rejects(join(closing), { code: 'UMBEL_BROKER_UNAVAILABLE' });
    assert.deepEqual(await other.size('celery'), { ready: 1, scheduled: 0, claimed: 0 });
    const again = await claimOne(await join(other));
    assert.deepEqual([idOf(again), again.crashes], ['a', 0]);
  }),

  check(
    'messages outlive the process that stored them',
    async (harness) => {
      const first = await harness.open();
      await first.publish([
        publication('dies'),
        publication('waits'),
        publication('later', { eta: inAnHour() }),
      ]);
      const delivery = await claimOne(await join(first));
      await delivery.settle({ kind: 'dead', reason: 'rejected', detail: 'no' });
      await first.close();
      const second = await harness.open();
      const scheduled = second.features.counts ? 1 : 0;
      assert.deepEqual(await second.size('celery'), { ready: 1, scheduled, claimed: 0 });
      assert.ok(Buffer.from(delivery.raw).equals((await second.deadLetters.list())[0]?.raw ?? fail()));
      assert.equal(idOf(await claimOne(await join(second))), 'waits');
    },
    'durable',
  ),

  check(pauseCase.title, (harness) => pauseCase.run(() => harness.open())),
  check(limitReportCase.title, (harness) => limitReportCase.run(() => harness.open())),
  check(lockListCase.title, (harness) => lockListCase.run(() => harness.open())),
  check(auditCase.title, (harness) => auditCase.run(() => harness.open())),
  check(healthCase.title, (harness) => healthCase.run(() => harness.open())),

  ...historyStreamCases,
  ...fanoutCases,
];

/** Waits until an earlier claim most likely waits in the store. */
async function settled(transport: Transport, waitMs = 30): Promise<void> {
  const consumer = await (bystanders.get(transport) ?? join(transport, ['nothing ever comes here']));
  bystanders.set(transport, consumer);
  assert.deepEqual(await claimNothing(consumer, waitMs), []);
}

const bystanders = new WeakMap<Transport, Consumer>();

function inAnHour(): Date {
  return new Date(Date.now() + 3_600_000);
}

function pastTime(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms - Date.now() + 5));
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), maxWaitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function fail(message = 'missing'): never {
  throw new Error(message);
}
