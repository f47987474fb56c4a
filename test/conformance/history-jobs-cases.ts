// What every store of the history must do with jobs that run tasks again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTaskEvent } from '../../src/history/read-event.ts';
import type { HistoryJobs, JobItem, JobRow } from '../../src/stores/history-jobs.ts';
import type { HistoryStore } from '../../src/stores/history-store.ts';

function job(id: string, fields: Partial<JobRow> = {}): JobRow {
  return {
    ...{
      id,
      state: 'planning',
      pauseReason: '',
      settings: '{"rate":5}',
      createdAt: 10,
      runner: null,
      aliveAt: 0,
    },
    ...fields,
  };
}

function item(n: number, fields: Partial<JobItem> = {}): JobItem {
  return { original: `t${n}`, newId: `new${n}`, state: 'open', problem: '', ...fields };
}

export function historyJobsCases(name: string, open: () => Promise<HistoryStore>): void {
  describe(`jobs of a ${name} history`, () => {
    let store: HistoryStore;
    let jobs: HistoryJobs;
    beforeAll(async () => {
      store = await open();
      jobs = await store.openJobs();
    });
    afterAll(() => store.close());

    const claimed = async (id: string, runner: string, limit: number): Promise<readonly string[] | null> =>
      (await jobs.claim(id, runner, limit))?.map(({ original }) => original) ?? null;

    it('changes a job only from the states, and past the runners, that are named', async () => {
      await jobs.create(job('a'), 0);
      expect(await jobs.get('a')).toEqual(job('a'));
      expect(await jobs.get('nobody')).toBeNull();
      expect(await jobs.change('a', { state: 'paused' }, { from: ['running'] })).toBe(false);
      expect(await jobs.change('nobody', { state: 'paused' }, { from: ['planning'] })).toBe(false);
      const running = { state: 'running', runner: 'r1', aliveAt: 20 } as const;
      expect(await jobs.change('a', running, { from: ['planning', 'ready'] })).toBe(true);
      expect(await jobs.get('a')).toEqual(job('a', running));
      const allowed = (runner: string | null, aliveAt: number): boolean => runner === null || aliveAt < 20;
      expect(await jobs.change('a', { runner: 'r2' }, { from: ['running'], allowed })).toBe(false);
      expect(await jobs.change('a', { state: 'paused', pauseReason: 'why' }, { from: ['running'] })).toBe(
        true,
      );
      expect(await jobs.get('a')).toMatchObject({ state: 'paused', pauseReason: 'why', runner: 'r1' });
    });

    it('gives each item to one claim, in their order, while the job runs', async () => {
      await jobs.create(job('b', { state: 'running', runner: 'r1' }), 0);
      await jobs.add('b', [item(3), item(1), item(9, { state: 'refused', problem: 'no' })]);
      await jobs.add('b', [
        item(1, { newId: 'other' }),
        item(2),
        item(8, { state: 'refused', problem: 'no' }),
      ]);
      expect(await jobs.counts('b')).toEqual({ open: 3, sending: 0, sent: 0, refused: 2 });
      expect(await claimed('b', 'r2', 5)).toBeNull();
      const [first, second] = await Promise.all([claimed('b', 'r1', 1), claimed('b', 'r1', 1)]);
      expect([first, second].flat().sort()).toEqual(['t1', 't3']);
      expect(await jobs.claim('b', 'r1', 5)).toEqual([item(2)]);
      expect(await claimed('b', 'r1', 5)).toEqual([]);
      expect(await jobs.items('b', 'sending', 2)).toMatchObject([{ original: 't3' }, { newId: 'new1' }]);
      await jobs.mark('b', [
        { original: 't3', state: 'sent', problem: '' },
        { original: 't1', state: 'refused', problem: 'gone' },
      ]);
      expect(await jobs.counts('b')).toEqual({ open: 0, sending: 1, sent: 1, refused: 3 });
      expect(await jobs.problems('b', 5)).toEqual([
        ['no', 2],
        ['gone', 1],
      ]);
      await jobs.change('b', { state: 'paused' }, { from: ['running'] });
      expect(await claimed('b', 'r1', 5)).toBeNull();
    });

    it('says how the new runs ended', async () => {
      const event = { hostname: 'w@here', utcoffset: 0, pid: 1, clock: 1, timestamp: 1_763_776_800 };
      const told = ['new3', 'new1'].map((uuid) => readTaskEvent({ ...event, type: 'task-failed', uuid }));
      await store.merge(
        told.filter((facts) => facts !== null),
        null,
      );
      expect(await jobs.outcomes('b')).toEqual(new Map([['FAILURE', 1]])); // t1 is refused
    });

    it('lists the newest first, and forgets jobs that have ended long ago with their items', async () => {
      await jobs.create(job('c', { createdAt: 30 }), 0);
      expect((await jobs.list(2)).map(({ id }) => id)).toEqual(['c', 'b']);
      await jobs.create(job('d', { createdAt: 40 }), 35);
      expect((await jobs.list(9)).map(({ id }) => id)).toEqual(['d', 'b', 'a']); // those that are paused stay
      await jobs.delete('b');
      expect(await jobs.get('b')).toBeNull();
      expect(await jobs.counts('b')).toEqual({ open: 0, sending: 0, sent: 0, refused: 0 });
    });
  });
}
