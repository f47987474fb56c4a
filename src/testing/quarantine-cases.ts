// The conformance cases of quarantine: a transport must distinguish poison messages from messages that were only claimed together with them.
import assert from 'node:assert/strict';
import type { Consumer, Delivery, Transport, TransportFeatures } from '../stores/transport.ts';
import {
  type ConformanceCase,
  claim,
  claimNothing,
  claimOne,
  idOf,
  maxWaitMs,
  publication,
} from './conformance.ts';

interface Harness {
  open(): Promise<Transport>;
  kill(consumer: Consumer): Promise<void>;
}

type Case = ConformanceCase<Harness, TransportFeatures>;

/** A time that no case reaches, milliseconds: for consumers whose quarantine must not time out. */
const forEverMs = 600_000;
/** After this time, milliseconds, a consumer has usually seen the messages in its queues. */
const noticeMs = 800;

export const quarantineCases: readonly Case[] = [
  check('a message with two crashes is claimed alone', async (harness) => {
    const transport = await harness.open();
    const [one, other] = [await join(transport), await join(await harness.open())];
    await crashTwice(harness, ['a', 'b', 'c']);
    const [first, ...besideFirst] = await claimSoon(one);
    const [second, ...besideSecond] = await claimSoon(other);
    assert.deepEqual([besideFirst, besideSecond], [[], []]);
    await transport.publish([publication('harmless')]);
    assert.deepEqual(await claimNothing(one), []);
    assert.deepEqual(await claimNothing(other), []);
    if (transport.features.counts)
      assert.deepEqual(await transport.size('celery'), { ready: 2, scheduled: 0, claimed: 2 });

    const next = claimSoon(one);
    await first.settle({ kind: 'ack' });
    const [third, ...besideThird] = await next;
    assert.deepEqual(besideThird, []);
    const quarantined = [first, second, third];
    assert.deepEqual(quarantined.map(idOf).sort(), ['a', 'b', 'c']);
    assert.deepEqual(
      quarantined.map(({ crashes }) => crashes),
      [2, 2, 2],
    );
    await third.settle({ kind: 'ack' });
    assert.equal(idOf(await claimOne(one)), 'harmless');
  }),

  check('crashes of other messages do not count for a quarantined message', async (harness) => {
    const transport = await harness.open();
    const [careful, doomed] = [await join(transport), await join(await harness.open())];
    await crashTwice(harness, ['harmless']);
    for (let deaths = 0; deaths < 2; deaths++) {
      const [harmless, ...beside] = await claimSoon(careful);
      assert.deepEqual([idOf(harmless), harmless.crashes, beside], ['harmless', 2, []]);
      await transport.publish([publication(`killer-${deaths}`)]);
      const killer = await claimOne(doomed);
      assert.match(idOf(killer), /^killer/);
      await harmless.settle({ kind: 'release', until: null });
      // The consumer may not know yet that quarantined messages wait, and then claims others.
      assert.ok(!(await claimNothing(doomed, 300)).map(idOf).includes('harmless'));
      await harness.kill(doomed);
    }
    // Poison messages that were claimed both times are quarantined now, too.
    for (let n = 0; n < 3; n++) {
      const [delivery, ...beside] = await claimSoon(careful);
      if (idOf(delivery) === 'harmless') return assert.deepEqual([delivery.crashes, beside], [2, []]);
      await delivery.settle({ kind: 'ack' });
    }
    throw new Error('the harmless message did not come');
  }),

  check(
    'a consumer with claimed messages claims no more while a quarantined message waits',
    async (harness) => {
      const transport = await harness.open();
      const busy = await join(await harness.open());
      await transport.publish([publication('held')]);
      const held = [await claimOne(busy)];
      await crashTwice(harness, ['quarantined']);
      assert.deepEqual(await claimNothing(busy, noticeMs), []);
      for (const late = performance.now() + maxWaitMs; ; ) {
        await transport.publish([publication('fresh')]);
        const claiming = claimSoon(busy);
        for (const delivery of held.splice(0)) await delivery.settle({ kind: 'ack' });
        const [first, ...beside] = await claiming;
        if (idOf(first) === 'quarantined') {
          assert.deepEqual(beside, []);
          await first.settle({ kind: 'ack' });
          break;
        }
        // The consumer may not know yet that quarantined messages wait, and then claims others, but not for ever.
        if (performance.now() > late) throw new Error('the quarantined message was never claimed');
        held.push(first, ...beside, ...(await claimNothing(busy, noticeMs)));
        for (const delivery of held) assert.equal(idOf(delivery), 'fresh');
      }
      assert.equal(idOf(await claimOne(busy)), 'fresh');
    },
  ),

  check(
    'after quarantineMs, a quarantined message is claimed beside long tasks, and others beside a long quarantined task',
    async (harness) => {
      const transport = await harness.open();
      const busy = await join(await harness.open(), 300);
      await transport.publish([publication('long')]);
      assert.equal(idOf(await claimOne(busy)), 'long');
      await crashTwice(harness, ['quarantined']);
      const [beside] = await claimSoon(busy);
      assert.deepEqual([idOf(beside), beside.crashes], ['quarantined', 2]);
      await transport.publish([publication('next')]);
      assert.equal(idOf(await claimOne(busy)), 'next');
    },
  ),
];

function check(title: string, run: Case['run']): Case {
  return { title, needs: [], run };
}

function join(transport: Transport, quarantineMs = forEverMs): Promise<Consumer> {
  return transport.consume({ queues: ['celery'], name: 'conformance', leaseMs: 15_000, quarantineMs });
}

/** Sends messages, and lets two owners die that hold them. */
async function crashTwice(harness: Harness, ids: readonly string[]): Promise<void> {
  const transport = await harness.open();
  const doomed = await join(transport);
  await transport.publish(ids.map((id) => publication(id)));
  for (const crashes of [0, 1]) {
    for (const delivery of await claim(doomed, ids.length)) assert.equal(delivery.crashes, crashes);
    await harness.kill(doomed);
  }
  await doomed.close();
}

/** Waits for the first messages, with more capacity than there are messages. */
async function claimSoon(consumer: Consumer): Promise<[Delivery, ...Delivery[]]> {
  const [first, ...others] = await consumer.claim(() => 10, AbortSignal.timeout(maxWaitMs));
  if (first === undefined) throw new Error('nothing was claimed');
  return [first, ...others];
}
