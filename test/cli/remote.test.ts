import { expect, test } from 'vitest';
import { until } from '../until.ts';
import { project, shop, start, startWorker, umbel, workerOf } from './harness.ts';

const own = `${shop}
app.command('greet', ({ name }, worker) => 'hello ' + name + ' from ' + worker);
`;

test('workers in another process are seen, asked and changed', async () => {
  const folder = project({ 'app.js': own });
  const worker = await startWorker(folder, '-n', 'w@here', '-c', '2');
  // Who answers too late is asked again.
  await expect
    .poll(() => umbel(folder, ['status', '-t', '1']))
    .toMatchObject({ code: 0, stdout: '->  w@here: OK\n\n1 node online.\n' });
  await expect
    .poll(async () => {
      const { stdout } = await umbel(folder, ['status', '--json', '-t', '0.5', '-d', 'w@here,nobody@here']);
      return JSON.parse(stdout);
    })
    .toEqual({ online: ['w@here'], silent: ['nobody@here'], paused: [] });

  const sent = await umbel(folder, ['-A', './app.js', 'call', 'shop.slow', '-a', '[30]']);
  const id = sent.stdout.trim();
  await worker.said(/slow begins/);
  const active = await umbel(folder, ['inspect', 'active', '-d', 'w@here', '-t', '60']);
  expect(active.stdout).toContain(id);
  expect(active.stdout).toContain('shop.slow');
  const grown = await umbel(folder, ['control', 'pool_grow', '3', '-d', 'w@here', '-t', '60', '--json']);
  expect(JSON.parse(grown.stdout)).toEqual([{ 'w@here': { ok: 'pool will grow' } }]);
  const refused = await umbel(folder, [
    'control',
    'rate_limit',
    'shop.none',
    '1/s',
    '-d',
    'w@here',
    '-t',
    '60',
  ]);
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('w@here: ERROR') });
  const pinged = await umbel(folder, ['inspect', 'ping', '-d', 'w@here', '-t', '60', '-j']);
  expect(JSON.parse(pinged.stdout)).toEqual({ 'w@here': { ok: 'pong' } });
  const greeted = await umbel(folder, [
    '-A',
    './app.js',
    'inspect',
    'greet',
    'name=you',
    '-d',
    'w@here',
    '-t',
    '60',
  ]);
  expect(greeted.stdout).toContain('hello you from w@here');

  const unasked = await umbel(folder, ['control', 'terminate', 'SIGTERM', id]);
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--force') });
  const ended = await umbel(folder, [
    'control',
    '-f',
    'terminate',
    'SIGTERM',
    id,
    '-d',
    'w@here',
    '-t',
    '60',
  ]);
  expect(ended.stdout).toContain(`terminate: ${id}`);
  await expect
    .poll(async () => (await umbel(folder, ['-A', './app.js', 'result', id, '--json'])).stdout)
    .toContain('REVOKED');

  expect((await umbel(folder, ['control', 'shutdown', '-f'])).code).toBe(0);
  worker.kill('SIGQUIT'); // the code of the task that was ended goes on
  await worker.ended;
  const nobody = await umbel(folder, ['status', '-t', '0.2']);
  expect(nobody).toMatchObject({ code: 69, stderr: expect.stringContaining('no nodes replied') });
});

test('events are shown as they happen, for people and for programs', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder, { name: 'w@here' });
  const programs = start(folder, ['events', '--json', '--routing-key', 'task.#', '--limit', '6']);
  const people = start(folder, ['events']);
  await people.said(/worker-heartbeat/);
  let isOver = false;
  void programs.ended.then(() => {
    isOver = true;
  });
  // Until both have asked for events, and the worker tells them: a task may have begun before that.
  await until(async () => {
    const sent = await umbel(folder, ['-A', './app.js', 'call', 'shop.add', '-a', '[2, 3]', '--wait', '60']);
    expect(sent.stdout.trim()).toBe('5');
    return isOver;
  }, 'six events for programs');
  await people.said(/task-succeeded .*result=5/);
  const { code, stdout } = await programs.ended;
  expect(code).toBe(0);
  const typesOf = new Map<string, string[]>();
  for (const line of stdout.trim().split('\n')) {
    const { type, uuid } = JSON.parse(line);
    typesOf.set(uuid, [...(typesOf.get(uuid) ?? []), type]);
  }
  expect([...typesOf.values()].flat()).toHaveLength(6);
  expect([...typesOf.values()]).toContainEqual(['task-received', 'task-started', 'task-succeeded']);
  people.kill('SIGINT');
  expect((await people.ended).code).toBe(0);
});

test('what is no command says what was meant', async () => {
  const folder = project({ 'app.js': shop });
  const usage = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await umbel(folder, args);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await usage('-A', './app.js', 'inspect', 'statz')).toContain("did you mean 'stats'?");
  expect(await usage('-A', './app.js', 'inspect')).toContain('--list');
  expect(await usage('inspect', 'revoke', 'x')).toContain('umbel control revoke');
  expect(await usage('control', 'ping')).toContain('umbel inspect ping');
  expect(await usage('control', 'pool_grow', 'many')).toContain("'n' must be a whole number");
  expect(await usage('control', 'rate_limit', 'shop.add')).toContain('task_name rate_limit');
  expect(await usage('control', 'revoke')).toContain('task_id');
});

test('report shows versions and settings, and no secret', async () => {
  const folder = project({ 'app.js': shop });
  const url = 'redis://user:geheim@127.0.0.1:1/0';
  const report = await umbel(folder, ['report', '--result-backend', url], {});
  expect(report.stdout).toMatch(/software -> umbel:\d/);
  expect(report.stdout).toContain('result_backend: redis://user:**@127.0.0.1:1/0');
  expect(report.stdout + report.stderr).not.toContain('geheim');
  const bindings = await umbel(folder, ['list', 'bindings', '--json']);
  expect(JSON.parse(bindings.stdout)).toEqual([
    { queue: 'celery', exchange: 'celery', routingKey: 'celery' },
  ]);
});
