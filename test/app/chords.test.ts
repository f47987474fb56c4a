// Chords that wait for members that do not come: shown, and repaired. On every store that counts chords; default run: on those that differ most.
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openHistoryOf } from '../../src/app/history-work.ts';
import { ChordRepairError, ConfigError, TaskNotRetriableError } from '../../src/errors.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { App, chord, group } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { patience, until } from '../until.ts';
import { newFolder } from '../worker/bench.ts';
import { missingIn, type Place, storeKinds, type Urls } from '../workflows/stores.ts';

/** A program: an application with its tasks. `ran`: what bodies were called with. */
function program(urls: Urls, historyStore: string) {
  const app = new App('chords', { ...urls, historyStore });
  const ran: unknown[] = [];
  const value = app.task('value', (x: number) => {
    if (x < 0) throw new RangeError('too small');
    return x;
  });
  const list = app.task('list', (values: readonly unknown[]) => {
    ran.push(values);
    return values;
  });
  const failed = app.task('failed', (id: string) => ran.push(id));
  onTestFinished(() => app.close());
  return { app, value, list, failed, ran };
}

const byDefault = ['sqlite', 'redis, results in postgresql'];
for (const kind of storeKinds)
  needs(describe, missingIn(kind, byDefault))(`chords on ${kind.name}`, () => {
    let place: Place;
    let before: Worker | null = null;
    beforeAll(async () => {
      place = await kind.start();
    });
    afterAll(() => place?.[Symbol.asyncDispose]());

    /** A chord of `values` whose members with these indexes are lost: they are in a queue that nobody serves, and are deleted there. */
    async function started(values: readonly number[], lost: readonly number[]) {
      await before?.stop(); // brokers of several places may have the same queues
      const urls = await place.next();
      const history = `sqlite://${await newFolder()}/history.db`;
      const one = program(urls, history);
      const worker = new Worker(one.app, { concurrency: 4, logger: silentLogger, queues: ['celery'] });
      onTestFinished(() => worker.stop({ cold: true }));
      before = worker;
      const members = values.map((x, index) =>
        one.value.s(x).set({ queue: lost.includes(index) ? 'lost' : 'celery' }),
      );
      const body = one.list.s().linkError(one.failed.s());
      const result = await chord(group(members), body).delay();
      const id = result.parent?.id ?? '';
      await worker.start();
      await until(
        async () => (await one.app.chords.get(id))?.counted === values.length - lost.length,
        'the ends of the members that are not lost',
      );
      await one.app.queues.purge('lost');
      const ids = (await one.app.chords.get(id))?.members.map((member) => member.id) ?? [];
      return { ...one, urls, history, worker, result, id, ids, chords: one.app.chords };
    }

    it('shows what is there and what is missing; a value for it completes the chord', async () => {
      const { chords, id, ids, result, ran, app } = await started([1, 2, 3], [1]);
      const status = await chords.get(id);
      expect(status).toMatchObject({
        id,
        bodyId: result.id,
        bodyTask: 'list',
        state: 'open',
        total: 3,
        counted: 2,
        unknown: 0,
      });
      expect(status?.members.map(({ index, counted, state }) => [index, counted, state])).toEqual([
        [0, true, 'SUCCESS'],
        [1, false, 'PENDING'],
        [2, true, 'SUCCESS'],
      ]);
      expect(status?.members[1]?.reason).toContain('no worker has reported it');
      const [first = '', second = ''] = ids;
      await expect(chords.give(id, first, 7)).rejects.toThrow(/has the result of/);
      await expect(chords.give(id, 'nobody', 7)).rejects.toThrow(ChordRepairError);
      await expect(chords.give('nothing', second, 7)).rejects.toThrow(/the chord nothing is not known/);
      expect(await chords.get('nothing')).toBeUndefined();
      expect((await chords.give(id, second, { given: 2 })).state).toBe('done');
      expect(await result.get(patience)).toEqual([1, { given: 2 }, 3]);
      expect(await app.result(second).get(patience)).toEqual({ given: 2 });
      await expect(chords.give(id, second, 7)).rejects.toThrow(/has ended/);
      expect(ran).toHaveLength(1);
      const entries = await app.audit.list({ action: 'chord.*' });
      expect(entries.map(({ action, target }) => `${action} ${target}`)).toEqual([
        `chord.give ${id} ${second}`,
      ]);
    });

    it('is fired without the missing, or with a value for each; failed members count as missing', async () => {
      const without = await started([1, -2, 3, 4], [3]);
      expect((await without.chords.fire(without.id)).state).toBe('done');
      expect(await without.result.get(patience)).toEqual([1, 3]);
      const withValue = await started([1, -2, 3, 4], [0, 3]);
      await withValue.chords.fire(withValue.id, { value: null });
      expect(await withValue.result.get(patience)).toEqual([null, null, 3, null]);
      const nothing = await started([5], [0]);
      await nothing.chords.fire(nothing.id);
      expect(await nothing.result.get(patience)).toEqual([]);
      expect([without.ran, withValue.ran, nothing.ran].map(({ length }) => length)).toEqual([1, 1, 1]);
    });

    it('is cancelled: what is missing is revoked, the body fails, and its error callback is called', async () => {
      const { app, chords, id, ids, result, ran } = await started([1, 2], [1]);
      expect((await chords.cancel(id)).state).toBe('done');
      await expect(result.get(patience)).rejects.toThrow(/was cancelled; 1 of its members had not ended/);
      expect((await (await app.backend())?.get(ids[1] ?? ''))?.status).toBe('REVOKED');
      await until(() => ran.length === 1, 'the error callback');
      expect(ran).toEqual([result.id]);
      await expect(chords.cancel(id)).rejects.toThrow(/has ended/);
    });

    it('runs a member again, with what the history knows of it, or with other arguments', async () => {
      const { app, chords, id, ids, result } = await started([1, -2, 3], [0]);
      const [lost = '', failed = ''] = ids;
      await expect(chords.retry(id, lost)).rejects.toThrow(TaskNotRetriableError);
      const store = await openHistoryOf(app.config);
      const about = { hostname: 'gen1@here', timestamp: 1_763_776_800, clock: 1, pid: 1, utcoffset: 0 };
      const facts = [lost, failed].map((uuid) =>
        readTaskEvent({
          ...{ type: 'task-sent', uuid, name: 'value', queue: 'celery', ...about },
          umbel: { args: [uuid === lost ? 1 : -2], kwargs: {}, group_id: id, chord_id: result.id },
        }),
      );
      await store.merge(
        facts.filter((fact) => fact !== null),
        null,
      );
      await store.close();
      expect((await chords.get(result.id))?.id, 'found by its body').toBe(id);
      expect((await chords.get(lost))?.id, 'found by a member').toBe(id);
      expect((await chords.get(id))?.members[0]).toMatchObject({ task: 'value', state: 'PENDING' });
      expect((await chords.retry(id, failed, { args: [2] })).counted).toBeGreaterThanOrEqual(1);
      await until(async () => (await chords.get(id))?.counted === 2, 'the member that failed');
      await chords.retry(id, lost);
      expect(await result.get(patience)).toEqual([1, 2, 3]);
    });

    it('a member that ends while its value is given counts once, and the body is sent once', async () => {
      const urls = await place.next();
      const { app, value, list, ran } = program(urls, `sqlite://${await newFolder()}/history.db`);
      const other = program(urls, `sqlite://${await newFolder()}/history.db`);
      const worker = new Worker(app, { concurrency: 4, logger: silentLogger });
      onTestFinished(() => worker.stop({ cold: true }));
      await worker.start();
      const rounds = 10;
      const results = await Promise.all(
        Array.from({ length: rounds }, async () => {
          const result = await chord(group([value.s(1), value.s(2)]), list.s()).delay();
          const id = result.parent?.id ?? '';
          const last = (await other.app.chords.get(id))?.members.at(-1)?.id;
          if (last !== undefined)
            await other.app.chords.give(id, last, 2).catch((error: unknown) => {
              if (!(error instanceof ChordRepairError)) throw error;
            });
          return result.get(patience);
        }),
      );
      expect(results).toEqual(Array.from({ length: rounds }, () => [1, 2]));
      await until(
        async () => (await app.queues.list()).every(({ ready = 0 }) => ready === 0),
        'empty queues',
      );
      await worker.stop();
      expect(ran).toHaveLength(rounds);
    });

    it.each([
      'parts',
      'done',
      'publish',
    ] as const)('whoever dies at %s while the chord is repaired can repeat the action: one body', async (step) => {
      for (const action of ['fire', 'cancel', 'give'] as const) {
        if (action === 'cancel' && step === 'parts') continue; // it reads them only at the start
        const { chords, urls, history, id, ids, result, ran, worker } = await started([1, 2], [1]);
        const dying = program(urls, history);
        const { transport, backend } = await dying.app.open();
        const died = async () => {
          throw new Error('died');
        };
        if (step === 'publish') transport.publish = died;
        else if (backend?.chords) {
          const parts = backend.chords.parts.bind(backend.chords);
          let reads = 0;
          if (step === 'parts') backend.chords.parts = (group) => (reads++ === 0 ? parts(group) : died());
          else backend.chords.done = died;
        }
        const act = (on: typeof chords) =>
          action === 'give' ? on.give(id, ids[1] ?? '', 2) : action === 'fire' ? on.fire(id) : on.cancel(id);
        if (!(action === 'cancel' && step === 'publish'))
          await expect(act(dying.app.chords)).rejects.toThrow('died');
        const left = await chords.get(id);
        if (left?.state === 'complete') await (action === 'cancel' ? chords.cancel(id) : chords.fire(id));
        else if (left?.state === 'open') await act(chords);
        expect((await chords.get(id))?.state, `${action} at ${step}`).toBe('done');
        if (action === 'cancel') await expect(result.get(patience)).rejects.toThrow(/cancelled/);
        else expect(await result.get(patience)).toEqual(action === 'give' ? [1, 2] : [1]);
        await worker.stop();
        if (action !== 'cancel') expect(ran, `${action} at ${step}`).toHaveLength(1);
      }
    });

    it('keeps nothing of chords that have ended', async () => {
      expect(await place.openChords()).toEqual([]);
    });
  });

it('says where results must be to have chords', async () => {
  const app = new App('none', { broker: 'memory://', backend: null });
  onTestFinished(() => app.close());
  await expect(app.chords.get('x')).rejects.toThrow(ConfigError);
});
