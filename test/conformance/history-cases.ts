// What every store of the history of tasks must do.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSort } from '../../src/history/compile.ts';
import { mergeFacts, type TaskFacts } from '../../src/history/facts.ts';
import { parseQuery } from '../../src/history/parse-query.ts';
import { readTaskEvent } from '../../src/history/read-event.ts';
import { recordOf } from '../../src/history/record.ts';
import type { HistoryStore } from '../../src/stores/history-store.ts';

/** Seconds since 1970. */
const began = 1_763_776_800; // 2025-11-22T02:00:00Z
const now = (began + 3600) * 1000;

interface EventFields {
  readonly id: string;
  readonly name?: string;
  /** Seconds after it all began. */
  readonly at: number;
  readonly hostname?: string;
  readonly [field: string]: unknown;
}

let clock = 0;

function told(type: string, { id, at, ...fields }: EventFields): TaskFacts {
  const event = { hostname: 'w1@host', utcoffset: 0, pid: 1, clock: ++clock, uuid: id, ...fields };
  const facts = readTaskEvent({ ...event, type, timestamp: began + at });
  if (facts === null) throw new TypeError('it is of a task');
  return facts;
}

const umbel = {
  args: [{ user: { id: 5, name: 'Ann "A" Lee' } }, 'x'],
  kwargs: { user: { id: '17' }, dry: true, amount: 12.5, rows: [{ n: 1 }] },
  stamps: { customer: ['7', 8], urgent: [true] },
  group_id: 'g1',
  queue: 'slow',
  priority: 3,
};

/** Of each kind one, told in pieces. */
const life: readonly TaskFacts[] = [
  told('task-sent', { id: 'mail-1', at: 0, name: 'mail.send', hostname: 'gen1@web', queue: 'slow' }),
  told('task-received', { id: 'mail-1', at: 1, name: 'mail.send', args: "('a@b.c', 50)", umbel }),
  told('task-started', { id: 'mail-1', at: 2 }),
  told('task-failed', {
    id: 'mail-1',
    at: 14,
    exception: "TimeoutError('no answer')",
    traceback: 'File "mail.py", line 3',
  }),
  told('task-received', { id: 'mail-2', at: 100, name: 'mail.sendmany', hostname: 'w2@host', retries: 2 }),
  told('task-succeeded', { id: 'mail-2', at: 101, hostname: 'w2@host', result: "'100%_ok'", runtime: 0.25 }),
  told('task-received', {
    id: 'add-1',
    at: 200,
    name: 'add',
    args: '(1, 2)',
    root_id: 'mail-1',
    parent_id: 'mail-1',
    eta: '2025-11-22T03:30:00+00:00',
  }),
  told('task-sent', { id: 'add-2', at: 300, name: 'add', hostname: 'gen2@web', queue: 'celery' }),
  told('task-revoked', { id: 'lost-1', at: 400 }),
];

const everything = ['lost-1', 'add-2', 'add-1', 'mail-2', 'mail-1'];

export function historyCases(name: string, open: () => Promise<HistoryStore>): void {
  describe(`${name} history`, () => {
    let store: HistoryStore;
    beforeAll(async () => {
      store = await open();
      await store.merge(life, { id: 'r1', from: 1, until: 2 });
    });
    afterAll(() => store.close());

    async function idsOf(query: string, sort = '-seen'): Promise<readonly string[]> {
      const listing = {
        condition: parseQuery(query),
        now,
        sort: parseSort(sort),
        limit: 100,
        after: null,
      };
      return (await store.list(listing)).tasks.map(({ id }) => id);
    }

    it('gives back the record that was told, whatever it was told of and in how many pieces', async () => {
      const facts = life.filter(({ id }) => id === 'mail-1').reduce(mergeFacts);
      expect(await store.get('mail-1')).toEqual(recordOf(facts));
      expect(await store.get('nobody')).toBeNull();
    });

    it('does not change when the same is told again, in another order', async () => {
      const before = await Promise.all(everything.map((id) => store.get(id)));
      await store.merge(life.toReversed(), { id: 'r2', from: 1, until: 3 });
      expect(await Promise.all(everything.map((id) => store.get(id)))).toEqual(before);
      expect((await store.size()).tasks).toBe(everything.length);
    });

    it.each([
      ['', everything],
      ['state:failure', ['mail-1']],
      ['state:SUCCESS OR state:revoked', ['lost-1', 'mail-2']],
      ['name:mail.*', ['mail-2', 'mail-1']],
      ['name:mail.send', ['mail-1']],
      ['name:MAIL.*', []],
      ['name:*', ['add-2', 'add-1', 'mail-2', 'mail-1']],
      ['NOT name:*', ['lost-1']],
      ['queue:slow', ['mail-1']],
      ['NOT queue:slow', ['lost-1', 'add-2', 'add-1', 'mail-2']],
      ['worker:w2', ['mail-2']],
      ['worker:w2@host', ['mail-2']],
      ['worker:w', []],
      ['client:gen2', ['add-2']],
      ['id:mail-*', ['mail-2', 'mail-1']],
      ['root:mail-1', ['add-1']],
      ['parent:mail-1', ['add-1']],
      ['group:g1', ['mail-1']],
      ['retries:2', ['mail-2']],
      ['retries:>=1', ['mail-2']],
      ['priority:1..3', ['mail-1']],
      ['runtime:>10s', ['mail-1']],
      ['runtime:<300ms', ['mail-2']],
      ['runtime:0.25', ['mail-2']],
      ['wait:2s', ['mail-1']],
      ['ended:<56m', ['lost-1']],
      ['ended:>59m', ['mail-1']],
      ['ended:*', ['lost-1', 'mail-2', 'mail-1']],
      ['seen:2025-11-22', everything],
      ['seen:<2025-11-22', []],
      ['seen:>2025-11-21', everything],
      ['seen:2025-11-22T02:05', ['add-2']],
      ['seen:2025-11-22T02:03..2025-11-22T02:05', ['add-2', 'add-1']],
      ['seen:>=2025-11-22T02:05:00', ['lost-1', 'add-2']],
      ['seen:>2025-11-22T04:05+02:00', ['lost-1']],
      ['eta:<1h', ['add-1']],
      ['eta:>1h', []],
      ['timeout', ['mail-1']],
      ['"no answer"', ['mail-1']],
      ['exception:TIMEOUT', ['mail-1']],
      ['traceback:"line 3"', ['mail-1']],
      ['args:a@B', ['mail-1']],
      ['args:5', ['mail-1']],
      ['result:100%_', ['mail-2']],
      ['result:100__', []],
      ['%', ['mail-2']],
      ['args.user.id:5', ['mail-1']],
      ['args.user.id:"5"', []],
      ['args.user.id:17', ['mail-1']],
      ['args.0.user.id:5', ['mail-1']],
      ['args.0.user.id:17', []],
      ['kwargs.user.id:17', ['mail-1']],
      ['kwargs.user.id:5', []],
      ['args.user.name:"Ann \\"A\\" Lee"', ['mail-1']],
      ['args.user.name:Ann*', ['mail-1']],
      ['args.1:x', ['mail-1']],
      ['kwargs.dry:true', ['mail-1']],
      ['kwargs.dry:1', []],
      ['kwargs.amount:>12', ['mail-1']],
      ['kwargs.amount:>13', []],
      ['kwargs.rows.0.n:1', ['mail-1']],
      ['kwargs.dry:*', ['mail-1']],
      ['NOT kwargs.dry:*', ['lost-1', 'add-2', 'add-1', 'mail-2']],
      ['args."user".id:5', ['mail-1']],
      ['tag:customer', ['mail-1']],
      ['tag:customer=7', ['mail-1']],
      ['tag:customer=8', ['mail-1']],
      ['tag:customer=9', []],
      ['tag:nobody', []],
      ['NOT tag:customer=7 name:*', ['add-2', 'add-1', 'mail-2']],
      ['tag:*', ['mail-1']],
      ['(name:add OR name:mail.send) AND NOT state:failure', ['add-2', 'add-1']],
      ['name:add NOT (state:received)', ['add-2']],
      ['exception:"\' OR 1=1 --"', []],
      ['"\'; DROP TABLE task"', []],
      ['name:[a]dd', []],
      ['name:ad?*', []],
    ] as const)('finds by %j', async (query, ids) => {
      expect(await idsOf(query)).toEqual(ids);
    });

    it.each([
      ['seen', everything.toReversed()],
      ['-ended', ['lost-1', 'mail-2', 'mail-1', 'add-2', 'add-1']],
      ['runtime', ['add-1', 'add-2', 'lost-1', 'mail-2', 'mail-1']],
      ['-name', ['mail-2', 'mail-1', 'add-2', 'add-1', 'lost-1']],
    ])('sorts by %s, and gives each task once, page by page', async (sort, ids) => {
      const order = parseSort(sort);
      const seen: string[] = [];
      const known = await idsOf('', sort);
      const unsorted = (each: readonly string[]): readonly string[] => [...each].sort();
      let after: string | null = null;
      do {
        const page = await store.list({ condition: null, now, sort: order, limit: 2, after });
        seen.push(...page.tasks.map(({ id }) => id));
        after = page.next;
      } while (after !== null && seen.length < 20);
      expect(seen).toEqual(known);
      expect(unsorted(seen)).toEqual(unsorted(ids));
      // Of those that are equal the store says which is first.
      const values = seen.filter((id) => ids.indexOf(id) >= 0).map((id) => id.replace(/^add-\d/, 'add'));
      if (sort === 'seen' || sort === '-name')
        expect(values).toEqual(ids.map((id) => id.replace(/^add-\d/, 'add')));
    });

    it('refuses a place that is none, or one of another order', async () => {
      const listing = { condition: null, now, sort: parseSort('seen'), limit: 2 };
      await expect(store.list({ ...listing, after: 'x' })).rejects.toThrow('no cursor');
      const { next } = await store.list({ ...listing, sort: parseSort('-seen'), after: null });
      await expect(store.list({ ...listing, after: next })).rejects.toThrow("sorted by '-seen'");
    });

    it('counts by state, and by what else tasks have in common', async () => {
      const all = { condition: null, now };
      expect(Object.fromEntries(await store.counts(all))).toEqual({
        FAILURE: 1,
        PENDING: 1,
        RECEIVED: 1,
        REVOKED: 1,
        SUCCESS: 1,
      });
      expect(
        Object.fromEntries(await store.counts({ ...all, condition: parseQuery('name:mail.*') })),
      ).toEqual({
        FAILURE: 1,
        SUCCESS: 1,
      });
      expect(await store.facet('name', all, 2)).toEqual([
        ['add', 2],
        [null, 1],
      ]);
      expect(await store.facet('worker', { condition: parseQuery('ended:*'), now }, 10)).toEqual([
        ['w1@host', 2],
        ['w2@host', 1],
      ]);
    });

    it('says when somebody listened', async () => {
      await store.merge([], { id: 'r1', from: 1, until: 9 });
      expect(await store.recordings()).toEqual([
        { id: 'r1', from: 1, until: 9 },
        { id: 'r2', from: 1, until: 3 },
      ]);
    });

    it('forgets what is old or too much, a few at a time', async () => {
      expect(await store.prune({ updatedBefore: null, maxTasks: 5 }, 10)).toBe(0);
      expect(await store.prune({ updatedBefore: (began + 150) * 1000, maxTasks: 5 }, 1)).toBe(1);
      expect(await store.prune({ updatedBefore: (began + 150) * 1000, maxTasks: 5 }, 1)).toBe(1);
      expect(await store.prune({ updatedBefore: (began + 150) * 1000, maxTasks: 5 }, 1)).toBe(0);
      expect(await idsOf('')).toEqual(['lost-1', 'add-2', 'add-1']);
      expect(await store.recordings()).toEqual([]);
      expect(await store.prune({ updatedBefore: null, maxTasks: 1 }, 10)).toBe(2);
      expect(await idsOf('')).toEqual(['lost-1']);
      const { tasks, bytes, oldestAt } = await store.size();
      expect({ tasks, oldestAt }).toEqual({ tasks: 1, oldestAt: (began + 400) * 1000 });
      expect(bytes).toBeGreaterThan(0);
    });
  });
}
