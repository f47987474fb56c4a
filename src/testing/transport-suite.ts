// What every transport must do.
import assert from 'node:assert/strict';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend } from '../results/backend.ts';
import type { Consumer, Transport, TransportFeatures } from '../transports/transport.ts';
import { type ConformanceCase, claim, claimNothing, claimOne, idOf, publication } from './conformance.ts';

/** What the suite needs of a driver. Each case gets one of its own, over an empty store. */
export interface TransportHarness {
  /** A handle on the store; each call as from another process, if the driver's store is shared by several. */
  open(): Promise<Transport>;
  /** A result backend whose writes can travel with this transport's settlements (`atomicSettlement`). */
  openBackend(transport: Transport): Promise<ResultBackend>;
  /** Puts bytes into a queue as somebody else might. */
  putRaw(queue: string, raw: Uint8Array): Promise<void>;
  /** Lets the owner of this consumer's deliveries die without a word. */
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

/** The conformance suite of the contract `Transport`. */
export const transportConformance: readonly Case[] = [
  check('messages of one queue come in the order in which they were sent', async (harness) => {
    const transport = await harness.open();
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    await transport.publish([publication('c')]);
    const consumer = await join(transport);
    assert.deepEqual((await claim(consumer, 3)).map(idOf), ['a', 'b', 'c']);
  }),

  check(
    'the more urgent come first, and among equals the earlier',
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

  check('only the queues asked for are served, equally urgent ones in turn', async (harness) => {
    const transport = await harness.open();
    const ids = ['a1', 'a2', 'b1', 'b2', 'x1'];
    await transport.publish(ids.map((id) => publication(id, { queue: id.slice(0, 1) })));
    const consumer = await join(transport, ['a', 'b']);
    const got: string[] = [];
    for (let n = 0; n < 4; n++) got.push(idOf(await claimOne(consumer)));
    assert.deepEqual(got, ['a1', 'b1', 'a2', 'b2']);
    assert.deepEqual(await transport.size('x'), { ready: 1, scheduled: 0, claimed: 0 });
  }),

  check(
    'a claim takes no more than there is room for, and room is asked for when the claim is made',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish(['a', 'b', 'c', 'd'].map((id) => publication(id)));
      const consumer = await join(transport);
      let room = 1;
      const claiming = consumer.claim(() => room, AbortSignal.timeout(5000));
      room = 3;
      assert.equal((await claiming).length, 3);
    },
  ),

  check('a claim waits, and is woken by a message that is sent later', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = claimOne(consumer);
    assert.deepEqual(await claimNothing(await join(transport, ['other'])), []);
    await transport.publish([publication('a')]);
    assert.equal(idOf(await claiming), 'a');
  }),

  check(
    'a waiting claim is woken by another process at once, not at the next look',
    async (harness) => {
      const [sender, receiver] = [await harness.open(), await harness.open()];
      const consumer = await join(receiver);
      const latencies: number[] = [];
      for (let n = 0; n < 21; n++) {
        const claiming = claimOne(consumer);
        assert.deepEqual(await claimNothing(await join(receiver, ['other']), 5), []);
        const sent = performance.now();
        await sender.publish([publication(`m${n}`)]);
        const delivery = await claiming;
        latencies.push(performance.now() - sent);
        await delivery.settle({ kind: 'ack' });
      }
      // Half of them: a single one may fall together with anything on a busy machine.
      assert.ok((latencies.sort((a, b) => a - b)[10] ?? 0) < 200, `median latency ${latencies[10]} ms`);
    },
    'multiProcess',
  ),

  check('an aborted claim ends, and leaves nothing in limbo', async (harness) => {
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

  check('each of many messages is delivered to exactly one of many claimers', async (harness) => {
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
    'a released message comes again first, without a strike, and knows that it was delivered',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish(['a', 'b'].map((id) => publication(id)));
      const consumer = await join(transport);
      const first = await claimOne(consumer);
      assert.deepEqual([first.redelivered, first.strikes, first.parks], [false, 0, 0]);
      await first.settle({ kind: 'release', until: null });
      const again = await claimOne(consumer);
      assert.deepEqual([idOf(again), again.redelivered, again.strikes, again.parks], ['a', true, 0, 0]);
    },
  ),

  check('a parked message comes back after its time, and each parking is counted', async (harness) => {
    const transport = await harness.open();
    await transport.publish([publication('a')]);
    const consumer = await join(transport);
    const until = new Date(Date.now() + 80);
    await (await claimOne(consumer)).settle({ kind: 'release', until, parked: true });
    assert.equal((await transport.size('celery')).scheduled, 1);
    const again = await claimOne(consumer);
    assert.ok(Date.now() >= until.getTime());
    assert.deepEqual([again.parks, again.strikes], [1, 0]);
  }),

  check('a message is never delivered before its eta, and soon after it', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = claimOne(consumer);
    const eta = new Date(Date.now() + 150);
    await transport.publish([publication('later', { eta })]);
    assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 1, claimed: 0 });
    assert.equal(idOf(await claiming), 'later');
    const late = Date.now() - eta.getTime();
    assert.ok(late >= 0, `${-late} ms early`);
    assert.ok(late < 2000, `${late} ms late`);
  }),

  check('an eta before that of others is not missed, and one that has passed is now', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = claim(consumer, 1);
    await transport.publish([publication('far', { eta: new Date(Date.now() + 60_000) })]);
    await transport.publish([publication('near', { eta: new Date(Date.now() + 100) })]);
    assert.deepEqual((await claiming).map(idOf), ['near']);
    await transport.publish([publication('past', { eta: new Date(Date.now() - 1000) })]);
    assert.equal(idOf(await claimOne(consumer)), 'past');
  }),

  check("a dead worker's messages go to others, with a strike each", async (harness) => {
    const [first, second] = [await harness.open(), await harness.open()];
    await first.publish(['a', 'b'].map((id) => publication(id)));
    const doomed = await join(first);
    assert.equal((await claim(doomed, 2)).length, 2);
    const heir = await join(second);
    const inheriting = claim(heir, 2, 20_000);
    await harness.kill(doomed);
    const inherited = await inheriting;
    assert.deepEqual(inherited.map(idOf).sort(), ['a', 'b']);
    assert.deepEqual(
      inherited.map(({ strikes, redelivered }) => [strikes, redelivered]),
      [
        [1, true],
        [1, true],
      ],
    );
  }),

  check(
    'a worker taken for dead can settle nothing: no result, no message, no removal',
    async (harness) => {
      const [first, second] = [await harness.open(), await harness.open()];
      const backend = await harness.openBackend(first);
      await first.publish([publication('a')]);
      const doomed = await join(first);
      const stale = await claimOne(doomed);
      const { lost } = stale;
      const heir = await join(second);
      const inheriting = claim(heir, 1, 20_000);
      await harness.kill(doomed);
      const [fresh = fail()] = await inheriting;
      const write = backend.writeOf(record('a', 'SUCCESS', 'stale'));
      assert.equal(await stale.settle({ kind: 'ack', write, publish: [publication('ghost')] }), 'fenced');
      assert.equal(await backend.get('a'), undefined);
      assert.equal((await second.size('celery')).ready, 0);
      const heirs = await harness.openBackend(second);
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
    'result, follow-up message and acknowledgement are one',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport);
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
    'a settlement that cannot be made changes nothing, and can be made again',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport);
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
    'durable',
  ),

  check(
    'a task that is known already is not sent a second time',
    async (harness) => {
      const transport = await harness.open();
      const backend = await harness.openBackend(transport);
      const sent = (): Promise<void> =>
        transport.publish([publication('once', { write: backend.writeOfSent(record('once', 'PENDING')) })]);
      await Promise.all([sent(), sent()]);
      await sent();
      assert.equal((await transport.size('celery')).ready, 1);
      assert.equal((await backend.get('once'))?.status, 'PENDING');
    },
    'atomicSettlement',
  ),

  check('any bytes reach a worker as a refusal and the dead-letter store as they are', async (harness) => {
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
  }),

  check(
    'dead letters are listed newest first, replayed with a clean record, and discarded',
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
      assert.deepEqual([idOf(replayed), replayed.strikes, replayed.parks], ['a', 0, 0]);
      assert.equal(await deadLetters.discard(b.id), true);
      assert.equal(await deadLetters.discard(b.id), false);
      assert.equal(await deadLetters.count(), 1);
    },
  ),

  check(
    'purge deletes what waits and what is scheduled, and not what is being worked on',
    async (harness) => {
      const transport = await harness.open();
      await transport.publish([publication('held')]);
      const held = await claimOne(await join(transport));
      await transport.publish([
        publication('waits'),
        publication('later', { eta: new Date(Date.now() + 60_000) }),
      ]);
      await transport.publish([publication('elsewhere', { queue: 'other' })]);
      assert.deepEqual(await transport.queues(), ['celery', 'other']);
      assert.equal(await transport.purge('celery'), 2);
      assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 1 });
      assert.equal((await transport.size('other')).ready, 1);
      assert.equal(await held.settle({ kind: 'ack' }), 'settled');
    },
  ),

  check('a consumer that closes gives back what it holds at once, without a strike', async (harness) => {
    const transport = await harness.open();
    await transport.publish(['a', 'b'].map((id) => publication(id)));
    const leaving = await join(transport);
    const [held = fail()] = await claim(leaving, 2);
    await leaving.close();
    await leaving.close();
    assert.equal(await held.settle({ kind: 'ack' }), 'fenced');
    assert.deepEqual(await leaving.claim(() => 1, AbortSignal.timeout(1000)), []);
    const again = await claim(await join(transport), 2);
    assert.deepEqual(
      again.map(({ strikes }) => strikes),
      [0, 0],
    );
    assert.deepEqual(again.map(idOf), ['a', 'b']);
  }),

  check('a closing consumer that waits stops waiting', async (harness) => {
    const transport = await harness.open();
    const consumer = await join(transport);
    const claiming = consumer.claim(() => 1, AbortSignal.timeout(10_000));
    await consumer.close();
    assert.deepEqual(await claiming, []);
  }),
];

function fail(message = 'missing'): never {
  throw new Error(message);
}
