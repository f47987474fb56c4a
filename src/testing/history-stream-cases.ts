// The conformance cases of the history stream, for transports that keep one. Others pass.
import assert from 'node:assert/strict';
import type { HistoryReader, HistoryStream } from '../stores/history-stream.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Settlement, Transport, TransportFeatures } from '../stores/transport.ts';
import {
  type ConformanceCase,
  claim,
  claimOne,
  maxWaitMs,
  publication,
  resultRecord,
} from './conformance.ts';
import type { TransportHarness } from './transport-suite.ts';

type Run = (
  harness: TransportHarness,
  open: (transport?: Transport, limit?: number) => Promise<HistoryStream>,
) => Promise<void>;

function check(title: string, run: Run): ConformanceCase<TransportHarness, TransportFeatures> {
  return {
    title: `history stream: ${title}`,
    needs: [],
    async run(harness) {
      const opened: HistoryStream[] = [];
      const first = await harness.open();
      if (first.openHistoryStream === undefined) return;
      try {
        await run(harness, async (transport, limit) => {
          const stream = await (transport ?? (await harness.open())).openHistoryStream?.({
            limit: limit ?? null,
          });
          assert.ok(stream);
          opened.push(stream);
          return stream;
        });
      } finally {
        for (const stream of opened) await stream.close();
      }
    },
  };
}

export const historyStreamCases: readonly ConformanceCase<TransportHarness, TransportFeatures>[] = [
  check('programs learn of a registration, which lasts until the reader leaves', async (_, open) => {
    const [worker, recorder] = [await open(), await open()];
    assert.equal(await worker.registered(), false);
    const reader = await recorder.register('one');
    assert.equal(reader.isNew, true);
    assert.equal(await worker.registered(), true);
    const again = await (await open()).register('one');
    assert.equal(again.isNew, false);
    await reader.close();
    await again.renew();
    assert.equal(await worker.registered(), true);
    const status = await worker.status();
    if (status !== null)
      assert.deepEqual(
        status.readers.map(({ id }) => id),
        ['one'],
      );
    await again.leave();
    assert.equal(await worker.registered(), false);
    await again.close();
  }),

  check('entries come in their order, and again until they are acknowledged', async (_, open) => {
    const [worker, recorder] = [await open(), await open()];
    const reader = await recorder.register('one');
    assert.deepEqual(await entriesOf(reader, 0), []);
    await worker.append(['1', '"größer 🌱"']);
    await worker.append(['3']);
    const seen = await batchOf(reader, 3);
    assert.deepEqual(seen.entries, ['1', '"größer 🌱"', '3']);
    assert.equal(seen.dropped, 0);
    await reader.close(); // as if it was killed: nothing was acknowledged
    const next = await (await open()).register('one');
    assert.equal(next.isNew, false);
    const again = await batchOf(next, 3);
    assert.deepEqual(again.entries, seen.entries);
    await again.acknowledge();
    assert.deepEqual(await entriesOf(next, 0), []);
    await worker.append(['4']);
    const last = await batchOf(next, 1);
    assert.deepEqual(last.entries, ['4']);
    await last.acknowledge();
    assert.equal(await next.waiting(), 0);
    await next.close();
  }),

  check('each reader reads all entries', async (_, open) => {
    const stream = await open();
    const one = await stream.register('one');
    const two = await stream.register('two');
    await stream.append(['1', '2']);
    const read = await batchOf(one, 2);
    assert.deepEqual(read.entries, ['1', '2']);
    await read.acknowledge();
    assert.equal(await two.waiting(), 2);
    assert.deepEqual((await batchOf(two, 2)).entries, ['1', '2']);
    await one.close();
    await two.close();
  }),

  check('a full stream drops its oldest entries, and the reader is told how many', async (_, open) => {
    const stream = await open(undefined, 1_000);
    const reader = await stream.register('one');
    const all = Array.from({ length: 3_000 }, (_, index) => String(index));
    for (let at = 0; at < all.length; at += 500) await stream.append(all.slice(at, at + 500));
    const waiting = await reader.waiting();
    assert.ok(waiting >= 1_000 && waiting <= 1_500, String(waiting));
    let dropped = 0;
    const read: string[] = [];
    while (read.length < waiting) {
      const batch = await batchOf(reader, 1, 400);
      assert.ok(batch.entries.length <= 400);
      dropped += batch.dropped;
      read.push(...batch.entries);
      await batch.acknowledge();
    }
    assert.deepEqual(read, all.slice(-waiting));
    // Some stores count them, others only know that there are some.
    assert.ok(dropped === all.length - waiting || dropped === 1, String(dropped));
    await reader.close();
  }),

  check(
    'an entry is written with its message, and with its settlement, or not at all',
    async (harness, open) => {
      const [sender, transport] = [await harness.open(), await harness.open()];
      const stream = await open(transport);
      const sending = await open(sender);
      const reader = await stream.register('one');
      const travelling = (from: HistoryStream, text: string): { readonly history?: StoreWrite } => {
        const history = from.writeOf?.(text);
        return history === undefined ? {} : { history };
      };
      if (stream.writeOf === undefined) return reader.close();
      await sender.publish([
        publication('a', travelling(sending, '"sent a"')),
        publication('b', { eta: new Date(Date.now() + 1_000_000), ...travelling(sending, '"sent b"') }),
      ]);
      const first = await transport.consume({ queues: ['celery'], name: 'one', leaseMs: 15_000 });
      const delivery = await claimOne(first);
      const settlement = { kind: 'ack' as const, ...travelling(stream, '"ended a"') };
      assert.equal(await delivery.settle(settlement), 'settled');
      await sender.publish([publication('c')]);
      const dead = { kind: 'dead' as const, reason: 'rejected' as const, detail: '' };
      assert.equal(
        await (await claimOne(first)).settle({ ...dead, ...travelling(stream, '"dead c"') }),
        'settled',
      );
      await sender.publish([publication('d')]);
      const lost = await claimOne(first);
      await harness.kill(first);
      const next = await transport.consume({ queues: ['celery'], name: 'two', leaseMs: 15_000 });
      const taken = await claimOne(next);
      assert.equal(await lost.settle({ kind: 'ack', ...travelling(stream, '"fenced d"') }), 'fenced');
      const following = publication('e', travelling(stream, '"sent e"'));
      const ended = { kind: 'ack' as const, publish: [following], ...travelling(stream, '"ended d"') };
      assert.equal(await taken.settle(ended), 'settled');
      const { entries } = await batchOf(reader, 6);
      assert.deepEqual([...entries].sort(), [
        '"dead c"',
        '"ended a"',
        '"ended d"',
        '"sent a"',
        '"sent b"',
        '"sent e"',
      ]);
      await reader.close();
    },
  ),

  check('entries in a frame are whole, and only of what was settled', async (harness, open) => {
    const transport = await harness.open();
    const stream = await open(transport);
    const reader = await stream.register('one');
    const { writeIn } = stream;
    if (writeIn === undefined) return reader.close();
    const frames = [
      { start: '["mail ', between: ' ', end: '"]' },
      { start: '["page ', between: ' ', end: ' €"]' },
    ];
    const told = (text: string, frame = 0): { readonly history: StoreWrite } => {
      const history = writeIn.call(stream, frames[frame] ?? { start: '', between: '', end: '' }, text);
      return { history };
    };
    const results = await harness.openBackend(transport, { expiresMs: 86_400_000 });
    const ack = (id: string, text = id, frame = 0): Settlement => ({
      kind: 'ack',
      write: results.writeOf(resultRecord(id, 'SUCCESS')),
      ...told(text, frame),
    });
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    await transport.publish(ids.map((id) => publication(id)));
    const first = await transport.consume({ queues: ['celery'], name: 'one', leaseMs: 15_000 });
    const [a, b, c, d, e, f] = await claim(first, ids.length);
    // In one call: frames in turn, and settlements without an entry between them.
    const ends = await Promise.all([
      a?.settle(ack('a')),
      b?.settle(ack('b', 'b', 1)),
      c?.settle({ kind: 'ack', write: results.writeOf(resultRecord('c', 'SUCCESS')) }),
      d?.settle(ack('d')),
      f?.settle({ kind: 'ack', ...told('f') }), // without a record
    ]);
    assert.deepEqual(ends, Array(5).fill('settled'));
    await harness.kill(first);
    const next = await transport.consume({ queues: ['celery'], name: 'two', leaseMs: 15_000 });
    const taken = await claimOne(next);
    assert.equal(await e?.settle(ack('e', 'fenced')), 'fenced');
    assert.equal(await taken.settle(ack('e')), 'settled');
    const { entries } = await batchOf(reader, 5);
    const whole = ['["mail a"]', '["mail d"]', '["mail e"]', '["mail f"]', '["page b €"]'];
    assert.deepEqual([...entries].sort(), whole);
    await reader.close();
  }),
];

/** The next entries, at least `count`. */
async function batchOf(
  reader: HistoryReader,
  count: number,
  limit = 1_000,
): ReturnType<HistoryReader['read']> {
  const until = performance.now() + maxWaitMs;
  for (;;) {
    const batch = await reader.read(limit);
    if (batch.entries.length >= count || performance.now() > until) return batch;
    await new Promise((next) => setTimeout(next, 5));
  }
}

async function entriesOf(reader: HistoryReader, count: number): Promise<readonly string[]> {
  return (await batchOf(reader, count)).entries;
}
