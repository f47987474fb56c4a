// The conformance cases of changes to messages that wait.
import assert from 'node:assert/strict';
import type { Consumer, Transport, TransportFeatures } from '../stores/transport.ts';
import type { PlacedMessage, WaitingChanges } from '../stores/waiting.ts';
import {
  type ConformanceCase,
  claim,
  claimNothing,
  claimOne,
  idOf,
  maxWaitMs,
  publication,
} from './conformance.ts';
import type { TransportHarness } from './transport-suite.ts';

type Case = ConformanceCase<TransportHarness, TransportFeatures>;

const join = (transport: Transport, ...queues: string[]): Promise<Consumer> =>
  transport.consume({ queues, name: 'conformance', leaseMs: 15_000 });

const idIn = ({ message }: PlacedMessage): string =>
  message.ok ? String(message.value.headers.id) : 'undecodable';

function moveTo(queue: string, changes: Partial<WaitingChanges> = {}): WaitingChanges {
  return {
    places: ['ready', 'scheduled'],
    limit: Number.POSITIVE_INFINITY,
    decide: ({ due }) => ({ queue, due, message: null }),
    ...changes,
  };
}

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

async function scheduled(transport: Transport, queue: string, count: number): Promise<void> {
  const late = performance.now() + maxWaitMs;
  while ((await transport.size(queue)).scheduled < count)
    if (performance.now() > late) throw new Error('the messages were not scheduled in time');
}

export const waitingCases: readonly Case[] = [
  {
    title: 'waiting messages move to another queue in their order, byte for byte, and wake its consumer',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.changeWaiting === undefined) return;
      const other = await harness.open();
      const ids = names('m', 250);
      await transport.publish(ids.map((id) => publication(id, { queue: 'from', text: 'größer 🌱' })));
      await harness.putRaw('from', Buffer.from('no envelope'));
      const claiming = claim(await join(other, 'to'), 251);
      const moved: string[] = [];
      const changed = (found: readonly PlacedMessage[]): void => void moved.push(...found.map(idIn));
      assert.equal(await transport.changeWaiting('from', moveTo('to', { changed })), 251);
      assert.deepEqual(moved, [...ids, 'undecodable']);
      const came = await claiming;
      assert.deepEqual(
        came.map((delivery) => (delivery.message.ok ? idOf(delivery) : 'undecodable')),
        [...ids, 'undecodable'],
      );
      assert.deepEqual([came[0]?.crashes, came[0]?.deferrals], [0, 0]);
      assert.deepEqual(came.at(-1)?.message.ok, false);
      assert.equal((await transport.size('from')).ready, 0);
      assert.equal(await transport.changeWaiting('from', moveTo('to')), 0);
    },
  },
  {
    title: 'of waiting messages at most the limit moves, and messages that are held stay',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.changeWaiting === undefined) return;
      await transport.publish(names('m', 5).map((id) => publication(id, { queue: 'from' })));
      // Claimed with room for no more, so that a broker that pushes holds none ahead.
      const holder = await transport.consume({ queues: ['from'], name: 'holder', leaseMs: 15_000, slots: 1 });
      const held = await claimOne(holder);
      await holder.claim(() => 0, AbortSignal.timeout(maxWaitMs));
      const changed = await transport.changeWaiting('from', moveTo('to', { limit: 2 }));
      assert.equal(changed, 2);
      assert.equal((await transport.size('to')).ready, 2);
      assert.equal(await held.settle({ kind: 'ack' }), 'settled');
      await holder.close();
      const rest = await claim(await join(transport, 'from', 'to'), 4);
      assert.deepEqual(rest.map(idOf).sort(), ['m1', 'm2', 'm3', 'm4']);
    },
  },
  {
    title: 'chosen messages move or are deleted, ready and scheduled ones, and all others keep their places',
    needs: ['choosesWaiting', 'counts'],
    async run(harness) {
      const transport = await harness.open();
      const eta = new Date(Date.now() + 3_600_000);
      const scheduler = await join(transport, 'from');
      const aborted = new AbortController();
      const claiming = scheduler.claim(() => 1, aborted.signal);
      await transport.publish(names('s', 3).map((id) => publication(id, { queue: 'from', eta })));
      await scheduled(transport, 'from', 3);
      aborted.abort();
      await claiming;
      await scheduler.close();
      const ids = names('m', 300);
      await transport.publish(ids.map((id, n) => publication(id, { queue: 'from', priority: (n % 2) * 3 })));
      const wanted = new Set(['m7', 'm290', 's1']);
      const decide: WaitingChanges['decide'] = (found) =>
        idIn(found) === 'm8' || idIn(found) === 's0'
          ? 'delete'
          : wanted.has(idIn(found))
            ? { queue: 'to', due: found.due, message: null }
            : 'keep';
      assert.equal(await transport.changeWaiting?.('from', moveTo('to', { decide })), 5);
      assert.deepEqual(await transport.size('to'), { ready: 2, scheduled: 1, claimed: 0 });
      assert.deepEqual(await transport.size('from'), { ready: 297, scheduled: 1, claimed: 0 });
      const [even, odd] = [0, 1].map((rest) =>
        ids.filter((id, n) => n % 2 === rest && !['m7', 'm8', 'm290'].includes(id)),
      );
      const left = await claim(await join(transport, 'from'), 297);
      assert.deepEqual(left.map(idOf), [...(even ?? []), ...(odd ?? [])]);
      const peeked = await transport.peek?.('to', { place: 'scheduled', first: 'next', limit: 9 });
      if (peeked !== undefined) assert.deepEqual(peeked[0]?.due, eta);
    },
  },
  {
    title: 'a scheduled message becomes ready, or waits for another time, with new content and priority',
    needs: ['choosesWaiting', 'counts', 'priority'],
    async run(harness) {
      const transport = await harness.open();
      const eta = new Date(Date.now() + 3_600_000);
      const scheduler = await join(transport, 'celery');
      const claiming = claimOne(scheduler);
      await transport.publish(['now', 'later', 'stays'].map((id) => publication(id, { eta })));
      await scheduled(transport, 'celery', 3);
      const later = new Date(eta.getTime() + 3_600_000);
      const decide: WaitingChanges['decide'] = (found) => {
        if (!found.message.ok || idIn(found) === 'stays') return 'keep';
        const { headers, properties, ...rest } = found.message.value;
        const due = idIn(found) === 'now' ? null : later;
        if (found.due?.getTime() === due?.getTime()) return 'keep';
        const message = {
          ...rest,
          headers: { ...headers, eta: due?.toISOString() ?? null },
          properties: { ...properties, priority: 9 },
        };
        return { queue: 'celery', due, message };
      };
      assert.equal(
        await transport.changeWaiting?.('celery', moveTo('', { places: ['scheduled'], decide })),
        2,
      );
      const first = await claiming;
      assert.equal(idOf(first), 'now');
      assert.deepEqual(first.message.ok && first.message.value.properties.priority, 9);
      assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 2, claimed: 1 });
      const peeked = await transport.peek?.('celery', { place: 'scheduled', first: 'next', limit: 9 });
      if (peeked !== undefined)
        assert.deepEqual(
          peeked.map(({ due }) => due),
          [eta, later],
        );
    },
  },
  {
    title: 'while workers take and senders send, each message moves or is delivered, exactly once',
    needs: ['choosesWaiting'],
    async run(harness) {
      const transport = await harness.open();
      const other = await harness.open();
      const ids = names('m', 1500);
      const seen: string[] = [];
      const done = new AbortController();
      const consumer = await join(other, 'from', 'to');
      const claiming = (async () => {
        while (!done.signal.aborted) {
          const deliveries = await consumer.claim(() => 5, done.signal);
          seen.push(...deliveries.map(idOf));
          await Promise.all(deliveries.map((each) => each.settle({ kind: 'ack' })));
          if (seen.length >= ids.length) done.abort();
        }
      })();
      const decide: WaitingChanges['decide'] = (found) =>
        Number(idIn(found).slice(1)) % 3 === 0 ? { queue: 'to', due: null, message: null } : 'keep';
      for (let at = 0; at < ids.length; at += 300) {
        const batch = ids.slice(at, at + 300).map((id) => publication(id, { queue: 'from' }));
        await Promise.all([
          transport.publish(batch),
          transport.changeWaiting?.('from', moveTo('to', { decide })),
        ]);
      }
      await claiming;
      assert.deepEqual(await claimNothing(consumer), []);
      assert.deepEqual([...seen].sort(), [...ids].sort());
      for (const queue of ['from', 'to'])
        assert.deepEqual(await transport.size(queue), { ready: 0, scheduled: 0, claimed: 0 });
    },
  },
];

/** Cases of messages that consumers hold, and of those that wait for their time. */
export const heldCases: readonly Case[] = [
  {
    title: 'scheduled messages of all queues are counted by their time',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.dueCounts === undefined) return;
      const hour = (n: number): Date => new Date(Math.floor(Date.now() / 3_600_000 + n) * 3_600_000);
      const consumers = [await join(transport, 'celery'), await join(transport, 'else')];
      const claims = consumers.map(claimOne); // on a store that is shared with Python, a worker schedules what it receives
      await transport.publish([
        publication('a', { eta: hour(2) }),
        publication('b', { eta: new Date(hour(3).getTime() - 1), queue: 'else' }),
        publication('c', { eta: hour(3) }),
        publication('d', { eta: hour(30) }),
      ]);
      await scheduled(transport, 'celery', 3);
      await scheduled(transport, 'else', 1);
      const times = [1, 2, 3, 4].map((n) => hour(n).getTime());
      assert.deepEqual(await transport.dueCounts(times), [0, 2, 1]);
      await transport.publish([publication('x'), publication('y', { queue: 'else' })]);
      await Promise.all(claims);
    },
  },
  {
    title: 'a held message is shown with its consumer, until it is settled',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.held === undefined) return;
      const other = await harness.open();
      const consumer = await other.consume({ queues: ['celery'], name: 'holder', leaseMs: 15_000 });
      await transport.publish([publication('a'), publication('b', { queue: 'else' })]);
      const delivery = await claimOne(consumer);
      const held = await transport.held('celery', 10);
      assert.deepEqual(
        held.map(({ message, consumer: name }) => [message?.ok && message.value.headers.id, name]),
        [['a', 'holder']],
      );
      const [{ leaseEnds = null } = {}] = held;
      assert.ok(leaseEnds === null || leaseEnds.getTime() > Date.now() - 60_000);
      assert.deepEqual(await transport.held('else', 10), []);
      assert.equal(await delivery.settle({ kind: 'ack' }), 'settled');
      assert.deepEqual(await transport.held('celery', 10), []);
    },
  },
  {
    title:
      'a held message that is released is delivered again before all others, and what its first owner settles later is refused',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.releaseHeld === undefined) return;
      const [one, two] = [await harness.open(), await harness.open()];
      const first = await join(one, 'celery');
      await transport.publish(['a', 'b', 'c'].map((id) => publication(id)));
      const [held, kept] = await claim(first, 2);
      if (held === undefined || kept === undefined) throw new Error('two messages were sent');
      assert.equal(await transport.releaseHeld('celery', 'nothing'), 0);
      assert.equal(await transport.releaseHeld('else', 'a'), 0);
      assert.equal(await transport.releaseHeld('celery', 'a'), 1);
      assert.equal(await transport.releaseHeld('celery', 'a'), 0);
      const second = await join(two, 'celery');
      const again = await claimOne(second);
      assert.equal(idOf(again), 'a');
      assert.equal(again.redelivered, true);
      assert.equal(again.crashes, 0);
      const backend = await harness.openBackend(one, { expiresMs: 86_400_000 });
      const late = {
        kind: 'ack' as const,
        ...(one.features.atomicSettlement && {
          write: backend.writeOf({
            ...{ taskId: 'a', status: 'SUCCESS', result: 'late', traceback: null, children: [] },
            dateDone: new Date(),
          }),
        }),
        publish: [publication('follow-up', { queue: 'next' })],
      };
      assert.equal(await held.settle(late), 'fenced');
      assert.equal(await backend.get('a'), undefined);
      assert.equal((await transport.size('next')).ready, 0);
      // What it still holds is its own.
      assert.equal(await kept.settle({ kind: 'ack' }), 'settled');
      assert.equal(await again.settle({ kind: 'ack' }), 'settled');
      assert.equal(idOf(await claimOne(first)), 'c');
      await backend.close();
    },
  },
  {
    title: 'a consumer that lost a message by its release may claim it again itself, and settles it once',
    needs: [],
    async run(harness) {
      const transport = await harness.open();
      if (transport.releaseHeld === undefined) return;
      const consumer = await join(transport, 'celery');
      await transport.publish([publication('a')]);
      const held = await claimOne(consumer);
      assert.equal(await transport.releaseHeld('celery', 'a'), 1);
      const again = await claimOne(consumer);
      assert.equal(idOf(again), 'a');
      // Some stores tell the two apart; in others the first that is settled counts.
      const settled = [await held.settle({ kind: 'ack' }), await again.settle({ kind: 'ack' })];
      assert.deepEqual(settled.toSorted(), ['fenced', 'settled']);
      assert.deepEqual(await transport.size('celery'), { ready: 0, scheduled: 0, claimed: 0 });
    },
  },
];
