// The conformance cases of result backends with chords.
import assert from 'node:assert/strict';
import type { ChordPlace } from '../protocol/chord-part.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend, ResultBackendFeatures } from '../stores/backend.ts';
import type { ChordState, Chords } from '../stores/chords.ts';
import type { BackendHarness } from './backend-suite.ts';
import type { ConformanceCase } from './conformance.ts';

type Case = ConformanceCase<BackendHarness, ResultBackendFeatures>;

function check(title: string, run: Case['run']): Case {
  return { title, needs: ['chords'], run };
}

const day = { expiresMs: 86_400_000 };

function chordsOf(backend: ResultBackend | undefined): Chords {
  assert.ok(backend?.chords !== undefined, 'a backend that declares chords has them');
  return backend.chords;
}

/** The n-th member of chord `g` ends. */
function end(chords: Chords, index: number, changes: Partial<ChordPlace> = {}): Promise<ChordState> {
  const place = { groupId: 'g', index, bodyId: 'body', last: false, ...changes };
  return chords.add({ taskId: `t${index}`, status: 'SUCCESS', result: index * 10 }, place);
}

function record(taskId: string, status: string): ResultRecord {
  const dateDone = isReady(status) ? new Date(1_700_000_000_000) : null;
  return { taskId, status, result: null, traceback: null, children: [], dateDone };
}

async function valuesOf(chords: Chords, groupId = 'g'): Promise<readonly unknown[]> {
  return (await chords.parts(groupId)).map(({ result }) => result);
}

export const chordConformance: readonly Case[] = [
  check(
    'a chord is complete with its last part, whose results come in the order of their places',
    async (harness) => {
      const chords = chordsOf(await harness.open(day));
      await chords.resize('g', 12);
      for (const index of [3, 11, 0, 7, 2, 1, 10, 9, 4, 5, 6])
        assert.equal(await end(chords, index), 'open', `after part ${index}`);
      assert.equal(await end(chords, 8), 'complete');
      assert.deepEqual(
        await valuesOf(chords),
        Array.from({ length: 12 }, (_, index) => index * 10),
      );
    },
  ),

  check(
    'of many parts that end at once, on several handles, exactly one completes the chord',
    async (harness) => {
      const handles = [await harness.open(day), await harness.open(day)];
      for (let round = 0; round < 5; round++) {
        const groupId = `g${round}`;
        const place = { groupId, bodyId: `body${round}` };
        await chordsOf(handles[0]).resize(groupId, 300);
        const states = await Promise.all(
          Array.from({ length: 300 }, (_, index) => end(chordsOf(handles[index % 2]), index, place)),
        );
        assert.equal(states.filter((state) => state === 'complete').length, 1);
        assert.equal(states.filter((state) => state === 'open').length, 299);
        assert.equal((await chordsOf(handles[1]).parts(groupId)).length, 300);
      }
    },
  ),

  check('a member that ends again counts once, and its first result stays', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 2);
    assert.equal(await end(chords, 0), 'open');
    const again = { taskId: 't0', status: 'SUCCESS', result: 'another' };
    const place = { groupId: 'g', index: 0, bodyId: 'body', last: false };
    assert.equal(await chords.add(again, place), 'open');
    assert.equal(await chords.add({ ...again, status: 'FAILURE' }, place), 'open');
    assert.equal(await end(chords, 1), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10]);
  }),

  check(
    'only the member that completed a chord is told so again, until the chord is done',
    async (harness) => {
      const chords = chordsOf(await harness.open(day));
      await chords.resize('g', 2);
      await end(chords, 0);
      assert.equal(await end(chords, 1), 'complete');
      assert.equal(await end(chords, 1), 'complete', 'its worker died before the body was sent');
      assert.equal(await end(chords, 0), 'open', 'another member that came back sends no body');
      await chords.done('g');
      assert.equal(await end(chords, 1), 'done');
      assert.equal(await end(chords, 0), 'done');
      assert.deepEqual(await chords.parts('g'), [], 'nothing is left, and nothing is begun anew');
    },
  ),

  check('a sender or a member that comes back after the end begins nothing anew', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 1);
    assert.equal(await end(chords, 0), 'complete');
    await chords.done('g');
    await chords.resize('g', 1);
    await chords.extend('g', 't9');
    assert.equal(await end(chords, 0), 'done');
    assert.equal(await end(chords, 9, { last: true }), 'done');
    assert.deepEqual(await chords.parts('g'), []);
  }),

  check('a chord is complete though the id of its body has a result already', async (harness) => {
    const backend = await harness.open(day);
    const chords = chordsOf(backend);
    await backend.put(record('body', 'SUCCESS'));
    await chords.resize('g', 2);
    assert.equal(await end(chords, 0), 'open');
    assert.equal(await end(chords, 1), 'complete');
    await chords.resize('fast', 2);
    assert.equal(await end(chords, 0, { groupId: 'fast', last: true }), 'complete');
  }),

  check(
    'a chord that nobody remembers and whose body has ended is not ended once more by a late part',
    async (harness) => {
      const backend = await harness.open(day);
      const chords = chordsOf(backend);
      await backend.put(record('body', 'STARTED'));
      assert.equal(
        await end(chords, 0, { groupId: 'replacing', last: true }),
        'complete',
        'a task that was replaced by this chord has the id of its body',
      );
      await backend.put(record('body', 'FAILURE'));
      assert.equal(await end(chords, 0, { last: true }), 'open');
      await chords.resize('g', 2);
      assert.equal(await end(chords, 1), 'complete', 'it was only not known yet how many there are');
    },
  ),

  check('a chord whose size is not known yet is not complete', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    assert.equal(await end(chords, 0), 'open');
    await chords.resize('g', 2);
    assert.equal(await end(chords, 0), 'open');
    assert.equal(await end(chords, 1), 'complete');
  }),

  check('a member adds another, once, even if it runs twice', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 2);
    await end(chords, 0);
    await chords.extend('g', 't9');
    await chords.extend('g', 't9');
    assert.equal(await end(chords, 1), 'open');
    assert.equal((await chords.parts('g')).length, 2, 'what has not ended is no part');
    assert.equal(await end(chords, 9, { index: null }), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10, 90]);
  }),

  check('a part may end the chord before all are there', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 5);
    await end(chords, 0);
    const error = { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' };
    const failed = { taskId: 't3', status: 'FAILURE', result: error };
    assert.equal(
      await chords.add(failed, { groupId: 'g', index: 3, bodyId: 'body', last: true }),
      'complete',
    );
    assert.equal(await end(chords, 4, { last: true }), 'open', 'there is one who ends it');
    assert.deepEqual(await chords.parts('g'), [{ taskId: 't0', status: 'SUCCESS', result: 0 }, failed]);
  }),

  check('parts without a place come after all others', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 3);
    await end(chords, 5, { index: null });
    await end(chords, 1);
    assert.equal(await end(chords, 0), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10, 50]);
  }),

  check(
    'members of different tasks may have the same place, as in nested groups of Python',
    async (harness) => {
      const chords = chordsOf(await harness.open(day));
      await chords.resize('g', 2);
      assert.equal(await end(chords, 1, { index: 0 }), 'open');
      assert.equal(await end(chords, 2, { index: 0 }), 'complete');
    },
  ),

  check('results keep what JSON has no form for', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    const result = { when: new Date(1_600_000_000_123), big: 2n ** 70n, text: 'größer\u0000🌱' };
    const place = { groupId: 'größer 🌱', index: 0, bodyId: null, last: false };
    await chords.resize(place.groupId, 1);
    assert.equal(await chords.add({ taskId: 'ü', status: 'SUCCESS', result }, place), 'complete');
    assert.deepEqual(await chords.parts(place.groupId), [{ taskId: 'ü', status: 'SUCCESS', result }]);
    await assert.rejects(
      async () => chords.add({ taskId: 'b', status: 'SUCCESS', result: { f: () => 1 } }, place),
      { code: 'UMBEL_NOT_SERIALIZABLE' },
    );
  }),

  check('what nobody ended is forgotten some day, and not before a day has passed', async (harness) => {
    const backend = await harness.open({ expiresMs: 1 });
    const chords = chordsOf(backend);
    await chords.resize('g', 2);
    await end(chords, 0);
    await backend.expire(new Date(Date.now() + 80_000_000));
    assert.equal((await chords.parts('g')).length, 1);
    if (!backend.features.sweeps) return; // the server expires records itself
    await backend.expire(new Date(Date.now() + 30 * 86_400_000));
    assert.deepEqual(await chords.parts('g'), []);
  }),
];
