import { expect, test } from 'vitest';
import { needs } from '../needs.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { project, start, umbel } from './harness.ts';

const shop = `
import { App, crontab } from 'umbel';
export const app = new App('shop', {
  timezone: 'Europe/Berlin',
  beatSchedule: { hourly: { task: 'shop.check', schedule: crontab({ minute: 0 }) } },
});
const check = app.task('shop.check', (...args) => args.length);
app.schedule('fast', '300ms', check, { missed: 'skip' });
`;
const withApp = ['-A', './app.js'];
const schedule = (folder: string, ...args: string[]) => umbel(folder, [...withApp, 'schedule', ...args]);
const json = async (folder: string, ...args: string[]) => {
  const { stdout, stderr, code } = await schedule(folder, ...args, '--json');
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
};

test('a worker with -B sends what the code declares, and runs it; both end with SIGTERM', async () => {
  const hears = "app.signals.beatEmbeddedInit.connect(() => console.error('an embedded beat begins'));";
  const folder = project({ 'app.js': shop + hears });
  const worker = start(folder, [...withApp, 'worker', '-B', '-l', 'info', '--log-format', 'pretty']);
  await worker.said(/an embedded beat begins/);
  await worker.said(/leading/);
  await worker.said(/Task shop\.check\[[^\]]+\] succeeded/, 2);
  worker.kill('SIGTERM');
  const { code, stderr } = await worker.ended;
  expect(code).toBe(0);
  expect(stderr).toContain('beat stopped');
  const [fast, hourly] = await json(folder, 'list');
  expect(fast).toMatchObject({ name: 'fast', state: 'active', fromCode: true, schedule: 'every 300ms' });
  expect(fast.sent).toBeGreaterThanOrEqual(2);
  expect(hourly).toMatchObject({ name: 'hourly', schedule: '0 * * * *', sent: 0 });
  expect(await json(folder, 'history', 'fast', '--limit', '2')).toHaveLength(2);
  // The beat may send further runs while the worker stops: these wait.
  const runs = await json(folder, 'history', 'fast', '--limit', '100');
  const ended = runs.filter(({ state }: { state: string }) => state === 'SUCCESS');
  expect(ended.length).toBeGreaterThanOrEqual(2);
  expect(ended[0]).toMatchObject({ outcome: 'sent', taskId: expect.any(String) });
});

test('a beat that is killed under a worker with -B is started again', async () => {
  const folder = project({ 'app.js': shop });
  const worker = start(folder, [...withApp, 'worker', '-B', '--log-format', 'json']);
  await worker.said(/"msg":"leading"/);
  const pid = Number(/"beat":"[^/"]+\/(\d+)\//.exec(worker.stderr)?.[1]);
  process.kill(pid, 'SIGKILL');
  await worker.said(/the beat has ended; it is started again/);
  await worker.said(/"msg":"leading"/, 2);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
});

test('umbel beat alone sends, and says so; a second one stands by and follows', async () => {
  const folder = project({ 'app.js': shop });
  const first = start(folder, [...withApp, 'beat', '--log-format', 'json']);
  await first.said(/leading/);
  const second = start(folder, [...withApp, 'beat', '--log-format', 'json']);
  await second.said(/beat ready/);
  await first.said(/sent 'fast'/);
  expect(second.stderr).not.toContain('leading');
  first.kill('SIGKILL');
  await second.said(/leading/);
  await second.said(/sent 'fast'/);
  second.kill('SIGTERM');
  expect((await second.ended).code).toBe(0);
});

test('a schedule is added, shown, changed, paused, resumed, run and deleted', async () => {
  const folder = project({ 'app.js': shop });
  const added = await schedule(
    folder,
    ...[
      'add',
      'report',
      '--cron',
      '30 8 * * mon-fri',
      '--timezone',
      'America/New_York',
      '--task',
      'shop.check',
    ],
    ...['-a', '[1, 2]', '-k', '{"full": true}', '-Q', 'slow', '--missed', 'all', '--missed-limit', '3'],
    ...['--starting-deadline', '1h', '--overlap', 'skip', '--jitter', '10s', '--expires', '2h'],
  );
  expect(added.stderr).toBe('');
  expect(added.stdout).toContain("Added 'report'.");
  const report = await json(folder, 'show', 'report');
  expect(report).toMatchObject({
    schedule: '30 8 * * mon-fri America/New_York',
    task: 'shop.check',
    args: [1, 2],
    kwargs: { full: true },
    options: { queue: 'slow', expires: '2h' },
    policy: {
      missed: 'all',
      missedLimit: 3,
      startingDeadlineMs: 3_600_000,
      overlap: 'skip',
      jitterMs: 10_000,
    },
    state: 'active',
    fromCode: false,
  });
  expect(new Date(report.nextDue).getTime()).toBeGreaterThan(Date.now());

  const again = ['add', 'report', '--every', '10m', '--task', 'shop.check'];
  const taken = await schedule(folder, ...again);
  expect(taken.code).toBe(1);
  expect(taken.stderr).toContain("a schedule named 'report' exists already");
  expect((await schedule(folder, ...again, '--replace', '-Q', 'slow')).stdout).toContain("Changed 'report'.");
  expect(await json(folder, 'show', 'report')).toMatchObject({ schedule: 'every 10m' });

  expect((await schedule(folder, 'pause', 'report')).stdout).toBe("Paused 'report'.\n");
  expect(await json(folder, 'show', 'report')).toMatchObject({ state: 'paused', nextDue: null });
  expect((await schedule(folder, 'resume', 'report')).stdout).toBe("Resumed 'report'.\n");
  const { id } = await json(folder, 'run', 'report');
  expect(await json(folder, 'history', 'report')).toMatchObject([
    { outcome: 'manual', taskId: id, state: 'PENDING' },
  ]);

  const unsure = await schedule(folder, 'delete', 'report');
  expect(unsure.code).toBe(2);
  expect(unsure.stderr).toContain('add --force (-f)');
  expect((await schedule(folder, 'delete', 'report', '-f')).code).toBe(0);
  const left = await json(folder, 'list');
  expect(left.map(({ name, state }: { name: string; state: string }) => [name, state])).toEqual([
    ['fast', 'declared'],
    ['hourly', 'declared'],
  ]);
  const { stdout } = await schedule(folder, 'list');
  expect(stdout).toMatch(/hourly .*0 \* \* \* \* .*shop\.check .*declared/);
  expect(stdout).toContain('no beat that has this code has started yet');
});

test('the preview shows the next day, a line for each schedule', async () => {
  // Days of which none has 23 hours.
  const folder = project({ 'app.js': shop.replace('Europe/Berlin', 'Etc/UTC') });
  await schedule(folder, 'add', 'six-hourly', '--cron', '0 */6 * * *', '--task', 'shop.check');
  const { stdout } = await schedule(folder, 'preview');
  expect(stdout).toMatch(/^ +\|\d\d:\d\d/);
  expect(stdout).toMatch(/six-hourly {2}[▁·]{48} {2}4\n/);
  expect(stdout.match(/\d{4}-\d\d-\d\d (?:00|06|12|18):00:00 {2}six-hourly/g)).toHaveLength(4);
  expect(await json(folder, 'preview', 'six-hourly', '--ahead', '7d')).toHaveLength(28);
  // What the code declares is shown before any beat has started, and said to be so.
  expect(stdout).toMatch(/hourly +[▁▃·]{48} {2}24\n/);
  expect(stdout).toContain('nothing sends it. So are: fast, hourly');
});

test.each([
  [[...withApp, 'schedule', 'show', 'nothing'], 1, "no schedule named 'nothing'"],
  [[...withApp, 'schedule', 'add', 'x', '--task', 'y'], 2, 'give exactly one of --every, --cron and --solar'],
  [
    [...withApp, 'schedule', 'add', 'x', '--task', 'y', '--every', '1m', '--cron', '* * * * *'],
    2,
    'exactly one of',
  ],
  [[...withApp, 'schedule', 'add', 'x', '--task', 'y', '--cron', '99 * * * *'], 1, "'99' is no minute"],
  [
    [...withApp, 'schedule', 'add', 'x', '--task', 'y', '--solar', 'sunset,95,0'],
    1,
    'latitude must be from -90 to 90',
  ],
  [[...withApp, 'schedule', 'import'], 2, 'name the source'],
])('umbel %j ends with %i and says what is wrong', async (args, code, message) => {
  const folder = project({ 'app.js': shop });
  const ended = await umbel(folder, args);
  expect(ended.stderr).toContain(message);
  expect(ended.code).toBe(code);
});

test("Celery's beat_schedule comes in as JSON; what cannot be had is named and left out", async () => {
  const folder = project({
    'app.js': shop,
    'schedule.json': JSON.stringify({
      'every-30s': {
        task: 'tasks.add',
        schedule: 30.0,
        args: [16, 16],
        options: { queue: 'slow', expires: 60 },
      },
      monday: {
        task: 'tasks.add',
        schedule: { __type__: 'crontab', minute: '30', hour: '7', day_of_week: '1' },
        kwargs: { a: 1 },
      },
      sunset: { task: 'tasks.add', schedule: { __type__: 'solar', event: 'sunset', lat: -37.8, lon: 144.9 } },
      rule: { task: 'tasks.add', schedule: { __type__: 'rrule', freq: 'DAILY' } },
      'each-hour': { task: 'tasks.add', schedule: '0 * * * *' },
      hourly: { task: 'tasks.add', schedule: 60 },
    }),
  });
  const dry = await schedule(folder, 'import', '--file', 'schedule.json', '--dry-run');
  expect(dry.stdout).toContain("Would add 'monday'.");
  const { stdout, stderr, code } = await schedule(folder, 'import', '--file', 'schedule.json');
  expect(stdout).toContain("Added 'every-30s'.");
  expect(stderr).toContain("'rule' is left out: schedules of the type 'rrule' are unknown");
  expect(code).toBe(1);
  const all = await json(folder, 'list');
  const infos = all.filter(({ fromCode }: { fromCode: boolean }) => !fromCode);
  expect(infos.map(({ name, schedule }: { name: string; schedule: string }) => [name, schedule])).toEqual([
    ['each-hour', '0 * * * *'],
    ['every-30s', 'every 30s'],
    ['monday', '30 7 * * 1'],
    ['sunset', 'sunset at -37.8, 144.9'],
  ]);
  expect(stderr).toContain("'hourly' is left out: a schedule of this name exists already");
  expect(infos[1]).toMatchObject({ args: [16, 16], options: { queue: 'slow', expires: 60 } });
});

needs(test, noRedis)('the entries of a RedBeat are read and taken over', async () => {
  const server = await RedisServerProcess.shared();
  const put = (name: string, definition: object, score: number): void => {
    server.cli(
      'HSET',
      `redbeat:${name}`,
      'definition',
      JSON.stringify({ name, args: [], kwargs: {}, options: {}, ...definition }),
    );
    server.cli(
      'HSET',
      `redbeat:${name}`,
      'meta',
      '{"last_run_at":{"__type__":"datetime","year":2026},"total_run_count":3}',
    );
    server.cli('ZADD', 'redbeat::schedule', String(score), `redbeat:${name}`);
  };
  put(
    'add',
    {
      task: 'tasks.add',
      args: [1, 2],
      schedule: { __type__: 'interval', every: 10.0, relative: false },
      enabled: true,
    },
    1_900_000_000,
  );
  put(
    'nightly',
    {
      task: 'tasks.clean',
      kwargs: { deep: true },
      options: { queue: 'slow', priority: 3 },
      schedule: {
        __type__: 'crontab',
        minute: '0',
        hour: '2',
        day_of_week: '*',
        day_of_month: '*',
        month_of_year: '*',
      },
      enabled: false,
    },
    -1,
  );
  const folder = project({ 'app.js': shop });
  const { stdout, code, stderr } = await schedule(folder, 'import', '--redbeat', server.url(), '--take-over');
  expect(stderr).toBe('');
  expect(stdout).toContain("Added 'add'.");
  expect(code).toBe(0);
  const listed = await json(folder, 'list');
  expect(listed.filter(({ fromCode }: { fromCode: boolean }) => !fromCode)).toMatchObject([
    { name: 'add', schedule: 'every 10s', args: [1, 2], state: 'active' },
    {
      name: 'nightly',
      schedule: '0 2 * * *',
      kwargs: { deep: true },
      options: { queue: 'slow', priority: 3 },
      state: 'disabled',
    },
  ]);
  expect(JSON.parse(server.cli('HGET', 'redbeat:add', 'definition'))).toMatchObject({
    enabled: false,
    task: 'tasks.add',
  });
  await schedule(folder, 'resume', 'nightly');
  expect(await json(folder, 'show', 'nightly')).toMatchObject({ state: 'active' });
});

test('a beat for a store that only one process sees is refused', async () => {
  const folder = project({ 'app.js': shop.replace('timezone:', "broker: 'memory://', timezone:") });
  for (const args of [['beat'], ['worker', '-B'], ['schedule', 'list']]) {
    const { code, stderr } = await umbel(folder, [...withApp, ...args]);
    expect(stderr).toContain('this needs a store that several processes share');
    expect(code).toBe(2);
  }
});
