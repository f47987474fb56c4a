// The conformance cases of result backends with chords.
import assert from 'node:assert/strict';
import type { ChordPlace } from '../protocol/chord-part.ts';
import type { ResultBackend, ResultBackendFeatures } from '../stores/backend.ts';
import type { ChordCount, ChordState, Chords } from '../stores/chords.ts';
import type { BackendHarness } from './backend-suite.ts';
import { type ConformanceCase, resultRecord as record } from './conformance.ts';

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

const last: ChordPlace = { groupId: 'g', index: null, bodyId: 'body', last: false };

/** With the manifest as a value: a store may write its JSON in another way. */
function jsonOf(count: ChordCount | null): unknown {
  return count === null ? null : { ...count, manifest: JSON.parse(count.manifest ?? 'null') };
}

async function valuesOf(chords: Chords, groupId = 'g'): Promise<readonly unknown[]> {
  return (await chords.parts(groupId)).map(({ result }) => result);
}

export const chordConformance: readonly Case[] = [
  check('the last part completes a chord, and the results are in the order of the group', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 12);
    for (const index of [3, 11, 0, 7, 2, 1, 10, 9, 4, 5, 6])
      assert.equal(await end(chords, index), 'open', `after part ${index}`);
    assert.equal(await end(chords, 8), 'complete');
    assert.deepEqual(
      await valuesOf(chords),
      Array.from({ length: 12 }, (_, index) => index * 10),
    );
  }),

  check(
    'exactly one of many concurrent parts completes the chord, also on several handles',
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

  check('a member that ends twice counts once, and its first result stays', async (harness) => {
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
    'only the member that completed a chord gets complete again, until the chord is done',
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
      assert.deepEqual(await chords.parts('g'), [], 'parts are left, or a new chord was started');
    },
  ),

  check('a sender or member that runs again after the end starts no new chord', async (harness) => {
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

  check('a chord becomes complete even if the id of its body has a result already', async (harness) => {
    const backend = await harness.open(day);
    const chords = chordsOf(backend);
    await backend.put(record('body', 'SUCCESS'));
    await chords.resize('g', 2);
    assert.equal(await end(chords, 0), 'open');
    assert.equal(await end(chords, 1), 'complete');
    await chords.resize('fast', 2);
    assert.equal(await end(chords, 0, { groupId: 'fast', last: true }), 'complete');
  }),

  check('a late part does not complete a forgotten chord whose body has ended', async (harness) => {
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
    assert.equal(await end(chords, 1), 'complete', 'the size was not known before');
  }),

  check('a chord of unknown size is not complete', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    assert.equal(await end(chords, 0), 'open');
    await chords.resize('g', 2);
    assert.equal(await end(chords, 0), 'open');
    assert.equal(await end(chords, 1), 'complete');
  }),

  check('a member that runs twice extends the chord once', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 2);
    await end(chords, 0);
    await chords.extend('g', 't9');
    await chords.extend('g', 't9');
    assert.equal(await end(chords, 1), 'open');
    assert.equal((await chords.parts('g')).length, 2, 'an unfinished member is not a part');
    assert.equal(await end(chords, 9, { index: null }), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10, 90]);
  }),

  check('a part with `last` completes the chord before all parts are there', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 5);
    await end(chords, 0);
    const error = { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' };
    const failed = { taskId: 't3', status: 'FAILURE', result: error };
    assert.equal(
      await chords.add(failed, { groupId: 'g', index: 3, bodyId: 'body', last: true }),
      'complete',
    );
    assert.equal(await end(chords, 4, { last: true }), 'open', 'another part has completed it');
    assert.deepEqual(await chords.parts('g'), [{ taskId: 't0', status: 'SUCCESS', result: 0 }, failed]);
  }),

  check('parts without an index come after all others', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 3);
    await end(chords, 5, { index: null });
    await end(chords, 1);
    assert.equal(await end(chords, 0), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10, 50]);
  }),

  check('different tasks may have the same index, as in nested groups of Python', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 2);
    assert.equal(await end(chords, 1, { index: 0 }), 'open');
    assert.equal(await end(chords, 2, { index: 0 }), 'complete');
  }),

  check('results keep values that plain JSON cannot represent', async (harness) => {
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

  check('an unfinished chord is deleted after some days, but not within a day', async (harness) => {
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

  check('a look tells how far a chord is, and what its sender has told of it', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    assert.equal(await chords.look('g'), null);
    await chords.resize('g', 3, '{"text":"ä"}');
    await chords.extend('g', 'more');
    await end(chords, 1);
    const open = { size: 3, extra: 1, count: 1, closer: null, done: false, added: ['more'] };
    assert.deepEqual(jsonOf(await chords.look('g')), { ...open, manifest: { text: 'ä' } });
    await chords.resize('g', 2);
    assert.deepEqual(jsonOf(await chords.look('g')), { ...open, size: 2, manifest: { text: 'ä' } });
    await end(chords, 0);
    assert.equal(await chords.add({ taskId: 'more', status: 'SUCCESS', result: 1 }, last), 'complete');
    const complete = await chords.look('g');
    assert.deepEqual([complete?.count, complete?.closer, complete?.done], [3, 'more', false]);
    await chords.done('g');
    const done = await chords.look('g');
    assert.deepEqual([done?.done, done?.closer, done?.manifest, done?.added], [true, null, null, []]);
  }),

  check('the end of a member that failed is taken back, and counts when it ends anew', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    await chords.resize('g', 3);
    await end(chords, 0);
    const error = { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' };
    const place = { groupId: 'g', index: 1, bodyId: 'body', last: false };
    await chords.add({ taskId: 't1', status: 'FAILURE', result: error }, place);
    assert.equal(await chords.withdraw('g', 't0'), false, 'it succeeded');
    assert.equal(await chords.withdraw('g', 't2'), false, 'it has not ended');
    assert.equal(await chords.withdraw('other', 't1'), false);
    assert.equal(await chords.withdraw('g', 't1'), true);
    assert.equal(await chords.withdraw('g', 't1'), false, 'it was taken back');
    assert.equal((await chords.look('g'))?.count, 1);
    assert.equal(await end(chords, 2), 'open');
    assert.equal(await end(chords, 1), 'complete');
    assert.deepEqual(await valuesOf(chords), [0, 10, 20]);
    assert.equal(await chords.withdraw('g', 't1'), false, 'the chord is complete');
  }),

  check('a chord that is closed is completed once, by its closer', async (harness) => {
    const chords = chordsOf(await harness.open(day));
    assert.equal(await chords.close('g', 't0'), false, 'there is none');
    await chords.resize('g', 3);
    await end(chords, 0);
    assert.equal(await chords.close('g', 'x'), true);
    assert.equal(await chords.close('g', 'x'), true, 'its program died before the body was sent');
    assert.equal(await chords.close('g', 't0'), false);
    assert.equal(await end(chords, 1), 'open', 'it comes too late');
    assert.deepEqual(await valuesOf(chords), [0]);
    await chords.done('g');
    assert.equal(await chords.close('g', 'x'), false);
    assert.equal(await end(chords, 2), 'done');
    await chords.resize('h', 1);
    assert.equal(await end(chords, 0, { groupId: 'h' }), 'complete');
    assert.equal(await chords.close('h', 'x'), false, 'a member has completed it');
    assert.equal(await chords.close('h', 't0'), true);
  }),

  check(
    'a part that is held counts, and completes nothing; the member itself still does',
    async (harness) => {
      const chords = chordsOf(await harness.open(day));
      for (const groupId of ['g', 'h']) {
        await chords.resize(groupId, 2);
        assert.equal(await end(chords, 0, { groupId }), 'open');
        assert.equal(await end(chords, 1, { groupId, held: true }), 'open');
        assert.equal((await chords.look(groupId))?.count, 2);
      }
      assert.equal(await end(chords, 1), 'complete', 'the member has come');
      assert.equal(await chords.close('g', 'x'), false);
      assert.equal(await chords.close('h', 'x'), true);
      assert.equal(await end(chords, 1, { groupId: 'h' }), 'open', 'another program sends the body');
      assert.deepEqual(await valuesOf(chords, 'h'), [0, 10]);
    },
  ),
];
