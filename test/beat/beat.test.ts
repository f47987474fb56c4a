// A beat in this process: what it sends, and what it does when things change or go wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { App } from '../../src/app/app.ts';
import { chain, group } from '../../src/app/compose.ts';
import { Beat, type BeatOptions, type ScheduleRun, Schedules } from '../../src/beat/beat.ts';
import { type Entry, encodeEntry } from '../../src/beat/entry.ts';
import { openSchedulesOf } from '../../src/beat/open-schedule-store.ts';
import type { AppOptions } from '../../src/config/config.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { type Logger, silentLogger } from '../../src/lib/logger.ts';
import type { TaskMessage } from '../../src/protocol/message.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import { decodeTask } from '../../src/protocol/task.ts';
import { crontab } from '../../src/schedules/crontab.ts';
import { every } from '../../src/schedules/every.ts';
import type { Schedule } from '../../src/schedules/schedule.ts';
import { closeMemory, openMemory } from '../../src/stores/memory/memory.ts';
import { isLong } from '../run/scale.ts';
import { until, within } from '../until.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

function own<T extends AsyncDisposable>(it: T): T {
  open.push(it);
  return it;
}

let stores = 0;
const newStore = (): string => {
  const name = `beats${stores++}`;
  // Held, so that it outlives those who use it in turn.
  const store = openMemory(name);
  own({ [Symbol.asyncDispose]: async () => closeMemory(store) });
  return `memory://${name}`;
};
const newApp = (options: AppOptions = {}): App => own(new App('beats', { broker: newStore(), ...options }));

/** Changes of the schedules are seen within a quarter of the lease. */
const beatOf = async (app: App, options: BeatOptions = {}): Promise<Beat> => {
  const beat = own(new Beat(app, { lease: 4, ...options }));
  await beat.start();
  return beat;
};

/** Takes the next message of the queue. */
async function* messages(app: App, queue = 'celery'): AsyncGenerator<TaskMessage> {
  const consumer = own(
    await (await app.broker()).consume({ queues: [queue], name: 'test', leaseMs: 60_000 }),
  );
  for (;;) {
    for (const delivery of await consumer.claim(() => 1, AbortSignal.timeout(10_000))) {
      if (!delivery.message.ok) throw new Error(delivery.message.refusal.detail);
      const task = decodeTask(delivery.message.value);
      if (!task.ok) throw new Error(task.refusal.detail);
      await delivery.settle({ kind: 'ack' });
      yield task.value;
    }
  }
}

async function take(from: AsyncGenerator<TaskMessage>, count: number): Promise<TaskMessage[]> {
  const taken: TaskMessage[] = [];
  while (taken.length < count) {
    const { value, done } = await within(from.next(), 'a message');
    if (done || value === undefined) throw new Error('no message came');
    taken.push(value);
  }
  return taken;
}

async function history(app: App, name: string): Promise<readonly ScheduleRun[]> {
  await using schedules = await Schedules.open(app);
  return schedules.history(name);
}

const ended = (taskId: string): ResultRecord => ({
  taskId,
  status: 'SUCCESS',
  result: null,
  traceback: null,
  children: [],
  dateDone: new Date(),
});

test('each run is sent with its options, under an id of its own, with the name of its schedule in the headers', async () => {
  const app = newApp();
  app.schedule('fast', every('100ms'), 'shop.check', {
    args: [1, 'two'],
    kwargs: { three: 3 },
    queue: 'slow',
    priority: 3,
    expires: 3600,
    missed: 'all',
  });
  await beatOf(app);
  const [first, second] = await take(messages(app, 'slow'), 2);
  expect(first).toMatchObject({
    task: 'shop.check',
    args: [1, 'two'],
    kwargs: { three: 3 },
    priority: 3,
    headers: { periodic_task_name: 'fast' },
  });
  expect(first?.expires?.getTime()).toBeGreaterThan(Date.now() + 1_800_000);
  expect(second?.id).not.toBe(first?.id);
  await until(async () => (await history(app, 'fast')).length >= 2);
  const runs = (await history(app, 'fast')).toReversed();
  expect(runs[0]).toMatchObject({ outcome: 'sent', taskId: first?.id, detail: null });
  expect((runs[1]?.due.getTime() ?? 0) - (runs[0]?.due.getTime() ?? 0)).toBe(100);
});

test('arguments can be made when a run is sent', async () => {
  const app = newApp();
  app.schedule('made', '100ms', {
    task: 'shop.check',
    args: async ({ due, name, taskId }) => [name, due.getTime(), taskId],
    kwargs: ({ due }) => ({ hour: due.getUTCHours() }),
  });
  await beatOf(app);
  const [message] = await take(messages(app), 1);
  const [name, due, taskId] = message?.args ?? [];
  expect(name).toBe('made');
  expect(taskId).toBe(message?.id);
  expect(message?.kwargs).toEqual({ hour: new Date(Number(due)).getUTCHours() });
});

test('a run whose arguments cannot be made is noted as failed, and the next is sent', async () => {
  const app = newApp();
  let calls = 0;
  const call = {
    task: 'shop.check',
    args: () => {
      if (calls++ === 0) throw new TypeError('no such file');
      return [calls];
    },
  };
  app.schedule('made', '100ms', call, { missed: 'all' });
  await beatOf(app);
  const [message] = await take(messages(app), 1);
  expect(message?.args).toEqual([2]);
  const failed = (await history(app, 'made')).at(-1);
  expect(failed).toMatchObject({ outcome: 'failed', taskId: null, detail: 'no such file' });
});

test('a schedule of your own is asked for each next time', async () => {
  const app = newApp();
  let times: readonly number[] = [];
  const thrice: Schedule = {
    next(after) {
      if (times.length === 0) times = [50, 80, 300].map((ms) => after.getTime() + ms);
      return times.map((ms) => new Date(ms)).find((due) => due > after) ?? null;
    },
    toString: () => 'thrice',
  };
  const call = { task: 'shop.check', args: ({ due }: { readonly due: Date }) => [due.getTime()] };
  app.schedule('own', thrice, call, { missed: 'all' });
  await beatOf(app);
  expect((await take(messages(app), 3)).map(({ args }) => args[0])).toEqual(times);
  await using schedules = await Schedules.open(app);
  await until(async () => (await schedules.get('own')).sent === 3);
  expect(await schedules.get('own')).toMatchObject({ schedule: 'thrice', nextDue: null });
});

test('of two beats one leads; when it stops the other goes on, and no run is sent twice or left out', async () => {
  const broker = newStore();
  const [app, other] = [newApp({ broker }), newApp({ broker })];
  for (const each of [app, other])
    each.schedule(
      'fast',
      '50ms',
      { task: 'shop.check', args: ({ due }) => [due.getTime()] },
      { missed: 'all' },
    );
  const first = await beatOf(app);
  await until(() => first.leads);
  const second = await beatOf(other);
  const sent = messages(app);
  const before = await take(sent, 5);
  expect(second.leads).toBe(false);
  await first.stop();
  await until(() => second.leads);
  const dues = [...before, ...(await take(sent, 20))].map(({ args }) => Number(args[0]));
  expect(dues).toEqual(dues.map((_, index) => (dues[0] ?? 0) + index * 50));
});

test('a beat that stops finishes what is on its way and sends nothing more', async () => {
  const app = newApp();
  let made = 0;
  const gate = deferred<void>();
  app.schedule('slow', '50ms', {
    task: 'shop.check',
    args: async () => {
      made++;
      await gate.promise;
      return [];
    },
  });
  const beat = await beatOf(app, { lease: 60 });
  await until(() => made === 1);
  const stopped = beat.stop();
  gate.resolve();
  await stopped;
  await beat.stop();
  expect(made).toBe(1);
  expect((await (await app.broker()).size('celery')).ready).toBe(1);
  // Of a machine that takes longer than 50 ms for the first, others were missed.
  const sent = (await history(app, 'slow')).filter(({ taskId }) => taskId !== null);
  expect(sent).toHaveLength(1);
  await expect(beat.start()).rejects.toThrow('this beat was stopped');
});

test('what is added, changed, paused, resumed and deleted while it runs is in effect', async () => {
  const app = newApp();
  await using schedules = await Schedules.open(app);
  await beatOf(app, { lease: 1 });
  const sent = messages(app);
  const promptly = async (what: () => Promise<void>): Promise<void> => {
    const start = Date.now();
    await what();
    if (isLong) expect(Date.now() - start).toBeLessThan(2000);
  };
  await schedules.add('one', '50ms', 'first');
  await promptly(async () => void (await take(sent, 1)));
  await schedules.change('one', '50ms', 'second');
  await promptly(async () => {
    while ((await take(sent, 1))[0]?.task !== 'second');
  });
  const size = async (): Promise<number> => (await (await app.broker()).size('celery')).ready;
  const silent = async (): Promise<void> => {
    let before = await size();
    let since = Date.now();
    // It sent every 50 ms: silent for half a second, it has stopped.
    await until(async () => {
      const now = await size();
      if (now !== before) [before, since] = [now, Date.now()];
      return Date.now() - since > 500;
    }, 'silence');
  };
  await schedules.pause('one');
  await promptly(silent);
  expect(await schedules.get('one')).toMatchObject({ state: 'paused', nextDue: null });
  await schedules.resume('one');
  const paused = await size();
  await promptly(() => until(async () => (await size()) > paused));
  await schedules.remove('one');
  await promptly(silent);
  expect(await schedules.list()).toEqual([]);
});

test('what was due during a pause is not made up for', async () => {
  const app = newApp();
  await using schedules = await Schedules.open(app);
  await schedules.add('one', '100ms', 'task', { missed: 'all' });
  await schedules.pause('one');
  const beat = await beatOf(app, { lease: 1 });
  await until(() => beat.leads);
  await sleep(300); // the pause: three runs would be due
  const resumedAt = Date.now();
  await schedules.resume('one');
  await until(async () => (await schedules.get('one')).sent > 0);
  for (const { due } of await schedules.history('one')) expect(due.getTime()).toBeGreaterThan(resumedAt);
});

test('a run beside the schedule is sent at once, also of one that is paused', async () => {
  const app = newApp();
  app.task('check', () => null);
  await using schedules = await Schedules.open(app);
  await schedules.add('yearly', '365d', { task: 'check', args: [] }, { queue: 'slow' });
  await schedules.pause('yearly');
  const { id } = await schedules.run('yearly');
  const [message] = await take(messages(app, 'slow'), 1);
  expect(message?.id).toBe(id);
  expect(await schedules.history('yearly')).toMatchObject([{ outcome: 'manual', taskId: id }]);
  expect(await schedules.get('yearly')).toMatchObject({ sent: 1, lastTaskId: id, state: 'paused' });
});

test('what the code declares is put back when a beat starts, what it no longer declares is deleted; a pause stays', async () => {
  const broker = newStore();
  const before = newApp({ broker });
  before.schedule('kept', '1h', 'one');
  before.schedule('gone', '1h', 'one');
  await (await beatOf(before)).stop();
  await using schedules = await Schedules.open(before);
  await schedules.add('by hand', '1h', 'one');
  await schedules.pause('kept');
  const since = (await schedules.get('kept')).since;

  const after = newApp({ broker });
  after.schedule('kept', '1h', 'two');
  await (await beatOf(after)).stop();
  await using seen = await Schedules.open(after);
  expect((await seen.list()).map(({ name, fromCode }) => [name, fromCode])).toEqual([
    ['by hand', false],
    ['kept', true],
  ]);
  // Due at the same times: it counts on from where it did.
  expect(await schedules.get('kept')).toMatchObject({ task: 'two', state: 'paused', since });

  const other = newApp({ broker });
  other.schedule('kept', '2h', 'two');
  await (await beatOf(other)).stop();
  expect((await schedules.get('kept')).since.getTime()).toBeGreaterThan(since.getTime());
});

test('what the code declares is not changed or deleted elsewhere, only paused', async () => {
  const app = newApp({
    beatSchedule: {
      hourly: { task: 'one', schedule: 3600 },
      off: { task: 'one', schedule: 60, enabled: false },
    },
  });
  await (await beatOf(app)).stop();
  await using schedules = await Schedules.open(app);
  await expect(schedules.remove('hourly')).rejects.toThrow(
    "the schedule 'hourly' is declared in code and would come back",
  );
  await expect(schedules.change('hourly', 60, 'one')).rejects.toThrow('declared in code');
  await expect(schedules.resume('off')).rejects.toThrow('is disabled in the code');
  expect((await schedules.get('off')).state).toBe('disabled');
  await schedules.pause('hourly');
  await schedules.resume('hourly');
  expect((await schedules.get('hourly')).state).toBe('active');
});

test('ensure adds a schedule once, however many do so, and leaves the one that is there', async () => {
  const app = newApp();
  app.schedule('declared', 60, 'one');
  await using schedules = await Schedules.open(app);
  const nightly = () => schedules.ensure('nightly', crontab('0 3 * * *'), 'one');
  const added = await Promise.all([nightly(), nightly(), nightly()]);
  expect(added.filter(Boolean)).toEqual([true]);
  await schedules.pause('nightly');
  expect(await schedules.ensure('nightly', crontab('0 4 * * *'), 'two')).toBe(false);
  expect(await schedules.get('nightly')).toMatchObject({ task: 'one', state: 'paused' });
  expect(await schedules.ensure('declared', 30, 'two')).toBe(false);
  await expect(schedules.ensure('nightly', 0, 'one')).rejects.toThrow('must be from 10 ms');
});

test('a name that is taken, one that is not there, and code where data is needed are refused', async () => {
  const app = newApp();
  await using schedules = await Schedules.open(app);
  await schedules.add('nightly', crontab('0 3 * * *'), 'one');
  await expect(schedules.add('nightly', 60, 'one')).rejects.toThrow(
    "a schedule named 'nightly' exists already",
  );
  await expect(schedules.get('nihgtly')).rejects.toThrow(
    "no schedule named 'nihgtly'; did you mean 'nightly'?",
  );
  await expect(schedules.pause('x')).rejects.toMatchObject({ code: 'UMBEL_UNKNOWN_SCHEDULE' });
  await expect(schedules.add('made', 60, { task: 'one', args: () => [] })).rejects.toThrow(
    "the schedule 'made' needs code to be sent; declare it in the application",
  );
  expect(() => app.schedule('bad', 60, 'one', { taskId: 'x' } as object)).toThrow("'taskId' is of one call");
  expect(() => app.schedule('bad', 60, 'one', { qeue: 'x' } as object)).toThrow("did you mean 'queue'?");
  expect(() => app.schedule('bad', '10 minutes' as never, 'one')).toThrow('has not five fields');
});

test('a broker that cannot keep schedules needs a store for them', async () => {
  const app = own(new App('rabbit', { broker: 'amqp://localhost', backend: null }));
  await expect(Schedules.open(app)).rejects.toThrow("set 'beatStore'");
});

test('while the broker is away a run is tried again, under the same id', async () => {
  const app = newApp();
  app.schedule('fast', '200ms', { task: 'one', args: ({ taskId }) => [taskId] });
  const transport = await app.broker();
  const publish = vi.spyOn(transport, 'publish');
  let refused = 0;
  publish.mockImplementation(async () => {
    refused++;
    if (refused === 5) publish.mockRestore();
    throw new BrokerUnavailable('gone');
  });
  await beatOf(app);
  const [message] = await take(messages(app), 1);
  expect(message?.args[0]).toBe(message?.id);
  expect(refused).toBe(5);
});

/** An entry that was put into the store long ago and not sent since. */
async function putOld(app: App, entry: Partial<Entry> & Pick<Entry, 'policy'>, agoMs: number): Promise<void> {
  await using store = await openSchedulesOf(app);
  const old: Entry = {
    name: 'old',
    schedule: every(1000).toJSON(),
    shown: 'every 1000s',
    call: { kind: 'task', task: 'one', args: [], kwargs: {}, options: {}, computed: false },
    enabled: true,
    paused: false,
    fromCode: false,
    sinceMs: Date.now() - agoMs,
    ...entry,
  };
  await store.put('old', encodeEntry(old), null);
}

const base: Entry['policy'] = {
  missed: 'last',
  missedLimit: 100,
  startingDeadlineMs: null,
  overlap: 'allow',
  jitterMs: 0,
};

test.each([
  ['last', base, 1, 1],
  ['all', { ...base, missed: 'all' as const }, 6, 0],
  ['all, at most 2', { ...base, missed: 'all' as const, missedLimit: 2 }, 2, 1],
  ['skip', { ...base, missed: 'skip' as const, startingDeadlineMs: 1000 }, 0, 1],
])('runs that were missed for hours: %s', async (_, policy, sent, skipped) => {
  const app = newApp();
  await putOld(app, { policy }, 6_500_000);
  await beatOf(app);
  await until(async () => (await history(app, 'old')).length === sent + skipped);
  const runs = await history(app, 'old');
  expect(runs.filter(({ outcome }) => outcome === 'sent')).toHaveLength(sent);
  expect(runs.filter(({ outcome }) => outcome === 'skipped')).toHaveLength(skipped);
  expect((await (await app.broker()).size('celery')).ready).toBe(sent);
});

test('with overlap skip, a run is left out while the one before has not ended', async () => {
  const app = newApp();
  app.schedule('fast', '100ms', 'one', { overlap: 'skip', missed: 'all' });
  await beatOf(app);
  const sent = messages(app);
  const [first] = await take(sent, 1);
  await until(
    async () => (await history(app, 'fast')).filter(({ outcome }) => outcome === 'skipped').length >= 3,
  );
  expect((await history(app, 'fast'))[0]).toMatchObject({ detail: 'the run before has not ended' });
  await (await app.backend())?.put(ended(first?.id ?? ''));
  const [second] = await take(sent, 1);
  expect(second?.id).not.toBe(first?.id);
});

test('with overlap queue, one run waits for the one before, however many were due', async () => {
  const app = newApp();
  app.schedule('fast', '100ms', 'one', { overlap: 'queue' });
  await beatOf(app);
  const sent = messages(app);
  const [first] = await take(sent, 1);
  await sleep(500); // several are due
  expect((await history(app, 'fast')).filter(({ outcome }) => outcome === 'sent')).toHaveLength(1);
  await (await app.backend())?.put(ended(first?.id ?? ''));
  const [second] = await take(sent, 1);
  expect(second?.id).not.toBe(first?.id);
  await sleep(300); // no other follows
  expect((await (await app.broker()).size('celery')).ready).toBe(0);
});

test('overlap needs to know when a run has ended', async () => {
  const app = newApp({ backend: null });
  app.schedule('fast', '100ms', 'one', { overlap: 'skip' });
  const beat = own(new Beat(app));
  await expect(beat.start()).rejects.toThrow(
    "the schedule 'fast' has overlap 'skip', but there is no result backend",
  );
});

test('an entry that cannot be read is left out, and the others are sent', async () => {
  const app = newApp();
  const lines: string[] = [];
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (_, message) => void lines.push(message),
    child: () => logger,
  };
  await using store = await openSchedulesOf(app);
  await store.put('broken', '{"v":2}', null);
  app.schedule('fast', '100ms', 'one');
  await beatOf(app, { logger });
  await take(messages(app), 1);
  expect(lines).toContain("the schedule 'broken' is left out");
});

test('a signature, and a whole workflow, can be scheduled; each run has ids of its own', async () => {
  const app = newApp();
  const add = app.task('add', (x: number, y: number) => x + y);
  app.schedule('one', '100ms', add.s(1, 2).set({ queue: 'slow' }), { priority: 4 });
  app.schedule('many', '150ms', chain(add.s(1, 2), add.s(3)), { missed: 'all' });
  await beatOf(app);
  const [one, again] = await take(messages(app, 'slow'), 2);
  expect(one).toMatchObject({
    task: 'add',
    args: [1, 2],
    priority: 4,
    headers: { periodic_task_name: 'one' },
  });
  expect(again?.id).not.toBe(one?.id);
  const [first, second] = await take(messages(app), 2);
  expect(first).toMatchObject({ task: 'add', args: [1, 2], headers: { periodic_task_name: 'many' } });
  const next = first?.embed.chain?.[0]?.options.task_id;
  const run = (await history(app, 'many')).at(-1);
  expect(next).toBe(run?.taskId);
  expect(new Set([first?.id, second?.id, next]).size).toBe(3);
  expect(() => app.schedule('bad', 1, add.s(1, 2).freeze())).toThrow('a frozen signature is sent once');
});

test('overlap of a workflow is refused: it ends in many places', async () => {
  const app = newApp();
  const add = app.task('add', (x: number, y: number) => x + y);
  app.schedule('many', 1, group([add.s(1, 2), add.s(3, 4)]), { overlap: 'skip' });
  await expect(own(new Beat(app)).start()).rejects.toThrow('sends a workflow, which ends in many places');
});

test('a schedule that throws when it is asked is left out, and the others are sent', async () => {
  const app = newApp();
  const lines: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (_, message) => void lines.push(message),
    child: () => logger,
  };
  let asked = 0;
  const broken: Schedule = {
    next: (after) => {
      if (asked++ > 2) throw new Error('no calendar');
      return new Date(after.getTime() + 100);
    },
    toString: () => 'broken',
  };
  app.schedule('broken', broken, 'one', { queue: 'other' });
  app.schedule('fast', '100ms', 'one');
  await beatOf(app, { logger });
  await take(messages(app), 5);
  expect(lines.join()).toContain("'broken' does not say when it is due; it is left out");
});

test('a beat of an application that runs its tasks in place is refused', () => {
  const app = newApp({ taskAlwaysEager: true });
  expect(() => new Beat(app)).toThrow(
    "with 'taskAlwaysEager' a beat would run tasks instead of sending them",
  );
});

test('what the code declares is shown before any beat has started, and nothing of it is kept', async () => {
  const app = newApp();
  const ran = app.task('one', () => 1);
  app.schedule('hourly', '1h', ran, { args: [] });
  app.schedule('made', '2h', { task: ran, args: () => [] });
  await using schedules = await Schedules.open(app);
  await schedules.add('own', '30m', 'one');
  expect((await schedules.list()).map(({ name, state, fromCode }) => [name, state, fromCode])).toEqual([
    ['hourly', 'declared', true],
    ['made', 'declared', true],
    ['own', 'active', false],
  ]);
  expect((await schedules.get('hourly')).nextDue).toBeInstanceOf(Date);
  expect((await schedules.preview('150m')).map(({ name }) => name)).toEqual([
    'own',
    'own',
    'hourly',
    'own',
    'own',
    'hourly',
    'made',
    'own',
  ]);
  const { id } = await schedules.run('made');
  expect(id).toMatch(/-/);
  const store = await openSchedulesOf(app);
  expect((await store.changes(null)).entries.map(({ name }) => name)).toEqual(['own']);
  // A pause is kept, also for the beat that starts later.
  await schedules.pause('hourly');
  expect((await schedules.get('hourly')).state).toBe('paused');
  await beatOf(app);
  expect((await schedules.list()).map(({ name, state }) => [name, state])).toEqual([
    ['hourly', 'paused'],
    ['made', 'active'],
    ['own', 'active'],
  ]);
  await store.close();
});

test('a beat says that it starts, and whether it is the part of a worker', async () => {
  const app = newApp();
  const heard: string[] = [];
  app.signals.beatInit.connect(({ name }) => heard.push(`beat ${name}`));
  app.signals.beatEmbeddedInit.connect(({ name }) => heard.push(`embedded ${name}`));
  const alone = await beatOf(app);
  expect(heard).toEqual([`beat ${alone.name}`]);
  await alone.stop();
  const beside = own(new Beat(app, { lease: 1, embedded: true }));
  await beside.start();
  expect(heard.slice(1)).toEqual([`beat ${beside.name}`, `embedded ${beside.name}`]);
});
