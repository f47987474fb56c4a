// The conformance suite of result backends.
import assert from 'node:assert/strict';
import type { Clock } from '../lib/clock.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend, ResultBackendFeatures } from '../stores/backend.ts';
import { auditCase } from './audit-cases.ts';
import { chordConformance } from './chord-cases.ts';
import { type ConformanceCase, maxWaitMs, resultRecord as record } from './conformance.ts';
import { FakeClock } from './fake-clock.ts';
import { healthCase } from './health-cases.ts';
import { limitReportCase, lockListCase } from './limit-cases.ts';
import { pauseCase } from './pause-cases.ts';

/** The parts of a driver that the suite needs. Each case gets its own harness, on an empty store. */
export interface BackendHarness {
  /**
   * Opens a handle on the store, each time as if from another process, if processes can share the driver's store. `clock` is for drivers that
   * accept one. It stands still, so that a driver that only polls would never poll again.
   */
  open(options: { readonly expiresMs: number | null; readonly clock?: Clock }): Promise<ResultBackend>;
}

type Case = ConformanceCase<BackendHarness, ResultBackendFeatures>;

function check(title: string, run: Case['run'], ...needs: (keyof ResultBackendFeatures)[]): Case {
  return { title, needs, run };
}

const day = { expiresMs: 86_400_000 };

function aMoment(): Promise<void> {
  return new Promise((done) => setTimeout(done, 10));
}

/** Resolves when a record with a lifetime of one millisecond has expired. */
function expired(): Promise<void> {
  return new Promise((done) => setTimeout(done, 50));
}

async function firstOf(
  backend: ResultBackend,
  id: string,
  wanted: (record: ResultRecord) => boolean,
): Promise<ResultRecord> {
  for await (const each of backend.watch(id, AbortSignal.timeout(maxWaitMs))) if (wanted(each)) return each;
  throw new Error(`the record of ${id} did not come in time`);
}

/** The conformance suite of the contract `ResultBackend`. */
export const backendConformance: readonly Case[] = [
  check('a record is read as it was written', async (harness) => {
    const backend = await harness.open(day);
    const full = record('a', 'FAILURE', {
      result: { exc_type: 'ValueError', exc_message: ['no', 42], exc_module: 'builtins' },
      traceback: 'Traceback …\n  at line 1',
      children: [[['child', null], null]],
      groupId: 'g',
      parentId: 'p',
      name: 'shop.add',
      args: [1, 'zwei'],
      kwargs: { drei: 3 },
      worker: 'celery@host',
      retries: 2,
      queue: 'slow',
    });
    await backend.put(full);
    assert.deepEqual(await backend.get('a'), full);
    const value = {
      text: 'größer\u0000🌱',
      list: [1, null, true],
      when: new Date(1_600_000_000_123),
      big: 2n ** 70n,
    };
    await backend.put(record('b', 'SUCCESS', { result: value }));
    assert.deepEqual((await backend.get('b'))?.result, value);
  }),

  check('a record that was never written is undefined', async (harness) => {
    const backend = await harness.open(day);
    assert.equal(await backend.get('nobody'), undefined);
    assert.equal(await backend.forget('nobody'), false);
  }),

  check(
    'a result that cannot be serialized is refused with its path, and nothing is stored',
    async (harness) => {
      const backend = await harness.open(day);
      const broken = record('a', 'SUCCESS', { result: { rows: [{ id: () => 1 }] } });
      await assert.rejects(async () => backend.put(broken), { code: 'UMBEL_NOT_SERIALIZABLE' });
      assert.equal(await backend.get('a'), undefined);
    },
  ),

  check('a SUCCESS is never overwritten, and a final state never becomes an earlier one', async (harness) => {
    const backend = await harness.open(day);
    await backend.put(record('a', 'STARTED'));
    await backend.put(record('a', 'SUCCESS', { result: 1 }));
    for (const status of ['FAILURE', 'STARTED', 'REVOKED', 'PROGRESS', 'SUCCESS']) {
      await backend.put(record('a', status, { result: { exc_type: 'E', exc_message: [], exc_module: '' } }));
    }
    assert.equal((await backend.get('a'))?.result, 1);
    await backend.put(record('b', 'FAILURE', { result: { exc_type: 'E', exc_message: [], exc_module: '' } }));
    await backend.put(record('b', 'STARTED'));
    assert.equal((await backend.get('b'))?.status, 'FAILURE');
    await backend.put(record('b', 'SUCCESS', { result: 2 }));
    assert.equal((await backend.get('b'))?.result, 2);
  }),

  check('a watcher gets the current record, later records, and always the final one', async (harness) => {
    const backend = await harness.open(day);
    await backend.put(record('a', 'STARTED'));
    const seen: string[] = [];
    const late = AbortSignal.timeout(maxWaitMs);
    for await (const { status } of backend.watch('a', late)) {
      seen.push(status);
      if (status === 'STARTED') await backend.put(record('a', 'PROGRESS', { result: { done: 1 } }));
      if (status === 'PROGRESS') await backend.put(record('a', 'SUCCESS', { result: 7 }));
    }
    assert.deepEqual(seen, ['STARTED', 'PROGRESS', 'SUCCESS']);
    assert.equal(late.aborted, false, 'the watch did not end with the task');
    for await (const { status } of backend.watch('a', late)) seen.push(status);
    assert.equal(seen.length, 4);
    assert.equal(late.aborted, false, 'the watch of a task that had ended did not end');
  }),

  check('a watcher that starts before the first record is woken by it', async (harness) => {
    const backend = await harness.open(day);
    const watching = firstOf(backend, 'a', ({ status }) => status === 'SUCCESS');
    await backend.put(record('a', 'SUCCESS', { result: 1 }));
    assert.equal((await watching).result, 1);
  }),

  check('watchers get a record that was forgotten and written again', async (harness) => {
    const backend = await harness.open(day);
    await backend.put(record('a', 'STARTED'));
    const seen: unknown[] = [];
    for await (const { result } of backend.watch('a', AbortSignal.timeout(maxWaitMs))) {
      seen.push(result);
      if (seen.length > 20) break;
      // Sometimes within the same millisecond.
      const [forgotten] = await Promise.all([
        backend.forget('a'),
        backend.put(record('a', 'STARTED', { result: seen.length })),
      ]);
      assert.equal(forgotten, true);
    }
    assert.deepEqual(seen, [null, ...Array.from({ length: 20 }, (_, n) => n + 1)]);
  }),

  check(
    'a watcher is woken by another process, and not by polling',
    async (harness) => {
      const clock = new FakeClock(Date.now());
      const [here, there] = [await harness.open({ ...day, clock }), await harness.open(day)];
      for (let n = 0; n < 11; n++) {
        const id = `t${n}`;
        await there.put(record(id, 'STARTED'));
        const watching = firstOf(here, id, ({ status }) => status === 'SUCCESS');
        await aMoment(); // the watcher sleeps by now
        await there.put(record(id, 'SUCCESS', { result: n }));
        assert.equal((await watching).result, n);
      }
    },
    'multiProcess',
  ),

  check('an aborted watch ends without a record', async (harness) => {
    const backend = await harness.open(day);
    const abort = new AbortController();
    const watching = (async () => {
      for await (const each of backend.watch('never', abort.signal)) return each;
      return 'ended';
    })();
    abort.abort();
    assert.equal(await watching, 'ended');
  }),

  check('a thousand records can be watched at the same time', async (harness) => {
    const backend = await harness.open(day);
    const ids = Array.from({ length: 1000 }, (_, n) => `t${n}`);
    const watching = Promise.all(ids.map((id) => firstOf(backend, id, ({ status }) => isReady(status))));
    await Promise.all(ids.map((id, n) => backend.put(record(id, 'SUCCESS', { result: n }))));
    assert.deepEqual(
      (await watching).map(({ result }) => result),
      ids.map((_, n) => n),
    );
  }),

  check('all watchers of a record get its final state', async (harness) => {
    const [one, two] = [await harness.open(day), await harness.open(day)];
    const isEnd = ({ status }: ResultRecord): boolean => isReady(status);
    const watching = [one, one, two].map((backend) => firstOf(backend, 'a', isEnd));
    await one.put(record('a', 'PROGRESS', { result: 50 }));
    await two.put(record('a', 'SUCCESS', { result: 100 }));
    assert.deepEqual(
      (await Promise.all(watching)).map(({ result }) => result),
      [100, 100, 100],
    );
  }),

  check('a value that a reader changes stays unchanged for other readers', async (harness) => {
    const backend = await harness.open(day);
    const result = { rows: [1] };
    await backend.put(record('a', 'SUCCESS', { result }));
    result.rows.push(2);
    const mine = (await backend.get('a'))?.result as { rows: number[] };
    mine.rows.push(3);
    assert.deepEqual((await backend.get('a'))?.result, { rows: [1] });
  }),

  check('records of unfinished tasks are stored in any state, also custom states', async (harness) => {
    const backend = await harness.open(day);
    for (const status of ['PENDING', 'RECEIVED', 'STARTED', 'RETRY', 'MY OWN', 'PENDING']) {
      const result = status === 'RETRY' ? { exc_type: 'E', exc_message: [], exc_module: '' } : { status };
      await backend.put(record('a', status, { result }));
      assert.equal((await backend.get('a'))?.status, status);
    }
  }),

  check('the final state wins over concurrent writes of the same record', async (harness) => {
    const handles = [await harness.open(day), await harness.open(day)];
    const writes = Array.from({ length: 100 }, (_, n) =>
      handles[n % 2]?.put(n === 50 ? record('a', 'SUCCESS', { result: n }) : record('a', 'PROGRESS')),
    );
    await Promise.all(writes);
    for (const handle of handles) assert.equal((await handle.get('a'))?.result, 50);
  }),

  check('forget deletes a record', async (harness) => {
    const backend = await harness.open(day);
    await backend.put(record('a', 'SUCCESS'));
    assert.equal(await backend.forget('a'), true);
    assert.equal(await backend.get('a'), undefined);
  }),

  check(
    'expire deletes the expired records',
    async (harness) => {
      // The lifetime is long, so that the backend does not sweep before the test does.
      const backend = await harness.open(day);
      const ids = Array.from({ length: 1200 }, (_, n) => `t${n}`);
      await Promise.all(ids.map((id) => backend.put(record(id, 'SUCCESS'))));
      const later = new Date(Date.now() + 2 * day.expiresMs);
      assert.equal(await backend.expire(later), ids.length);
      assert.equal(await backend.expire(later), 0);
      assert.equal(await backend.get('t0'), undefined);
    },
    'sweeps',
  ),

  check('expired records are not returned', async (harness) => {
    const backend = await harness.open({ expiresMs: 1 });
    const ids = Array.from({ length: 1200 }, (_, n) => `t${n}`);
    await Promise.all(ids.map((id) => backend.put(record(id, 'SUCCESS'))));
    await expired();
    const given = (await Promise.all(ids.map((id) => backend.get(id)))).filter((each) => each !== undefined);
    assert.equal(given.length, 0, 'an expired record was returned');
  }),

  check('an id can be used again after its record has expired', async (harness) => {
    const backend = await harness.open({ expiresMs: 1 });
    await backend.put(record('a', 'SUCCESS', { result: 1 }));
    await expired();
    assert.equal(await backend.get('a'), undefined, 'an expired record was returned');
    await backend.put(record('a', 'STARTED'));
    assert.equal((await backend.get('a'))?.status, 'STARTED');
  }),

  check('the record of an unfinished task outlives the lifetime of final records', async (harness) => {
    const backend = await harness.open({ expiresMs: 1 });
    await backend.put(record('a', 'STARTED'));
    assert.equal(await backend.expire(new Date(Date.now() + 1000)), 0);
    assert.equal((await backend.get('a'))?.status, 'STARTED');
  }),

  check('without a lifetime, records never expire', async (harness) => {
    const backend = await harness.open({ expiresMs: null });
    await backend.put(record('a', 'SUCCESS', { result: 1 }));
    assert.equal(await backend.expire(new Date(8_000_000_000_000)), 0);
    assert.equal((await backend.get('a'))?.result, 1);
  }),

  check('a large result is stored completely', async (harness) => {
    const backend = await harness.open(day);
    const text = 'x'.repeat(3_000_000);
    await backend.put(record('big', 'SUCCESS', { result: text }));
    assert.equal((await backend.get('big'))?.result, text);
  }),

  check(pauseCase.title, (harness) => pauseCase.run(() => harness.open(day))),
  check(limitReportCase.title, (harness) => limitReportCase.run(() => harness.open(day))),
  check(lockListCase.title, (harness) => lockListCase.run(() => harness.open(day))),
  check(auditCase.title, (harness) => auditCase.run(() => harness.open(day))),
  check(healthCase.title, (harness) => healthCase.run(() => harness.open(day))),

  ...chordConformance,
];
