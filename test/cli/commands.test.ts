// call, result, purge and dead, on the embedded store, with a worker where one is needed.
import { spawn } from 'node:child_process';
import { expect, onTestFinished, test } from 'vitest';
import type { Worker } from '../../src/worker/worker.ts';
import { until } from '../until.ts';
import { command, project, shop, start, umbel, workerOf } from './harness.ts';

const withApp = ['-A', './app.js'];
const idLine = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;

test('call prints the id, and result finds what became of it', async () => {
  const folder = project({ 'app.js': shop });
  const sent = await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[2, 3]']);
  expect(sent).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(idLine) });
  const id = sent.stdout.trim();

  const before = await umbel(folder, [...withApp, 'result', id]);
  expect(before).toMatchObject({ code: 3, stdout: '', stderr: 'not ended yet: PENDING\n' });

  await workerOf(folder);
  const after = await umbel(folder, [...withApp, 'result', id, '--wait', '60']);
  expect(after).toMatchObject({ code: 0, stdout: '5\n', stderr: '' });
  const json = await umbel(folder, [...withApp, 'result', id, '--json']);
  expect(JSON.parse(json.stdout)).toEqual({ id, state: 'SUCCESS', result: 5 });
});

test('result does not need the application, only its store', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  const { stdout } = await umbel(folder, ['call', 'shop.add', '-a', '[2, 3]', '--wait', '60s']);
  expect(stdout).toBe('5\n');
});

test('call --wait prints the result on stdout and the id beside it', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  const ended = await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '["a", "b"]', '--wait']);
  expect(ended).toMatchObject({ code: 0, stdout: 'ab\n', stderr: expect.stringMatching(idLine) });
});

test('a task that failed: its error in one line, its stack with --traceback, exit code 1', async () => {
  const folder = project({ 'app.js': shop });
  await workerOf(folder);
  const sent = await umbel(folder, [
    ...withApp,
    'call',
    'shop.fail',
    '-a',
    '["no size"]',
    '--wait',
    '--json',
  ]);
  expect(sent.code).toBe(1);
  const { id, ...rest } = JSON.parse(sent.stdout);
  expect(rest).toEqual({ state: 'FAILURE', error: { type: 'TypeError', message: 'no size' } });

  const plain = await umbel(folder, [...withApp, 'result', id]);
  expect(plain).toMatchObject({ code: 1, stdout: '', stderr: 'TypeError: no size\n' });
  const long = await umbel(folder, [...withApp, 'result', id, '--traceback']);
  expect(long.stderr).toContain('app.js');
});

test('an id that nobody knows is said to be unknown', async () => {
  const { code, stderr } = await umbel(project({ 'app.js': shop }), [...withApp, 'result', 'no-such-id']);
  expect(stderr).toContain('unknown task no-such-id');
  expect(code).toBe(1);
});

test('a wait that runs out has its own exit code', async () => {
  const folder = project({ 'app.js': shop });
  const ended = await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[1, 1]', '--wait', '300ms']);
  expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining('not ended yet: PENDING') });
});

test('a mistyped task name is refused before it is sent, unless it lives elsewhere', async () => {
  const folder = project({ 'app.js': shop });
  const typo = await umbel(folder, [...withApp, 'call', 'shop.ad', '-a', '[1, 1]']);
  expect(typo).toMatchObject({ code: 1, stdout: '' });
  expect(typo.stderr).toBe("umbel: no task named 'shop.ad'; did you mean 'shop.add'? [UMBEL_UNKNOWN_TASK]\n");
  const remote = await umbel(folder, [
    ...withApp,
    'call',
    'ml.predict',
    '--remote',
    '-Q',
    'models',
    '--json',
  ]);
  expect(remote.code).toBe(0);
  expect((await umbel(folder, [...withApp, 'purge', '-f', '-Q', 'celery,models', '--json'])).stdout).toBe(
    '{"purged":{"celery":0,"models":1}}\n',
  );
});

test('arguments that do not fit the schema are refused before they are sent', async () => {
  const folder = project({
    'app.js': `import { App } from 'umbel';
      export const app = new App('shop');
      const input = { '~standard': { version: 1, vendor: 'test', validate: (value) =>
        typeof value.size === 'number' ? { value } : { issues: [{ path: ['size'], message: 'must be a number' }] } } };
      app.task('shop.grow', { input }, ({ size }) => size + 1);`,
  });
  const { code, stderr } = await umbel(folder, [...withApp, 'call', 'shop.grow', '-k', '{"size": "big"}']);
  expect(stderr).toContain("the arguments of 'shop.grow' do not fit: $.size: must be a number");
  expect(stderr).toContain('[UMBEL_INVALID_ARGUMENTS]');
  expect(code).toBe(1);
});

test('call passes on countdown, expiry, queue, priority and an id of your own', async () => {
  const folder = project({ 'app.js': shop });
  const options = [
    '--countdown',
    '1h',
    '--expires',
    '2h',
    '-Q',
    'slow',
    '--priority',
    '3',
    '--task-id',
    'mine',
  ];
  const sent = await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[1, 1]', ...options]);
  expect(sent).toMatchObject({ code: 0, stdout: 'mine\n' });
  // Scheduled messages wait in the queue, too.
  expect((await umbel(folder, ['purge', '-f', '-Q', 'slow'])).stdout).toBe("Purged 1 message from 'slow'.\n");
});

test('messages that wait move to another queue, and are purged, all or by a query', async () => {
  const folder = project({});
  for (const name of ['mail.news', 'mail.news', 'shop.add']) await umbel(folder, ['call', name, '--remote']);
  const news = ['--query', 'name:mail.news'];
  const dry = await umbel(folder, ['queues', 'move', 'celery', 'slow', '--dry-run', ...news]);
  expect(dry.stdout).toBe("2 messages would be moved from 'celery' to 'slow'.\n");
  const refused = await umbel(folder, ['queues', 'move', 'celery', 'slow']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain("This moves 3 messages from 'celery' to 'slow'. Are you sure?");
  const moved = await umbel(folder, ['queues', 'move', 'celery', 'slow', '-f', '-n', '1', ...news, '--json']);
  expect(moved.stdout).toBe('{"moved":1}\n');
  expect((await umbel(folder, ['purge', '-f', ...news])).stdout).toBe("Purged 1 message from 'celery'.\n");
  expect((await umbel(folder, ['purge', '--dry-run'])).stdout).toBe(
    "1 message would be deleted from 'celery'.\n",
  );
});

test('tasks that wait for their time are promoted, and get another one', async () => {
  const folder = project({});
  const { stdout } = await umbel(folder, ['call', 'mail.news', '--countdown', '1h', '--remote']);
  const id = stdout.trim();
  const later = await umbel(folder, ['tasks', 'reschedule', id, '--countdown', '2h', '--priority', '9']);
  expect(later).toMatchObject({ code: 0, stdout: '1 task changed.\n' });
  const query = ['tasks', 'promote', '--query', 'priority:9 eta:>1h'];
  expect((await umbel(folder, [...query, '--dry-run'])).stdout).toBe(`${id}\n`);
  expect((await umbel(folder, query)).stderr).toContain('1 task will be made ready. Are you sure?');
  expect((await umbel(folder, [...query, '-f', '--json'])).stdout).toBe(`{"done":["${id}"],"missing":[]}\n`);
  const again = await umbel(folder, ['tasks', 'promote', id]);
  expect(again).toMatchObject({ code: 1, stdout: '0 tasks made ready.\n' });
  expect(again.stderr).toContain(id);
});

test('revoking by a query asks the history, and ids or a query are needed', async () => {
  const folder = project({});
  const none = await umbel(folder, ['tasks', 'revoke', '--query', 'name:mail.*', '--json']);
  expect(none).toMatchObject({ code: 0, stdout: '{"found":[]}\n' });
  expect((await umbel(folder, ['tasks', 'revoke'])).stderr).toContain('give either the ids of tasks');
  const one = await umbel(folder, ['tasks', 'revoke', 'an-id', '-t', '0.1']);
  expect(one).toMatchObject({ code: 0, stdout: 'Revoked 1 task.\n' });
});

test('what was done is in the audit log, with its reason', async () => {
  const folder = project({});
  expect((await umbel(folder, ['audit'])).stdout).toBe('No actions.\n');
  await umbel(folder, ['call', 'mail.news', '--remote']);
  await umbel(folder, ['queues', 'move', 'celery', 'slow', '-f', '--reason', 'a storm']);
  await umbel(folder, ['dead', 'discard', '17', '-f']);
  const { stdout } = await umbel(folder, ['audit', '--json', '--action', 'queue.*']);
  expect(JSON.parse(stdout)).toEqual([
    expect.objectContaining({ action: 'queue.move', target: 'celery -> slow', reason: 'a storm', role: '' }),
  ]);
  const shown = await umbel(folder, ['audit', '--limit', '1']);
  expect(shown.stdout).toMatch(/dead-letter\.discard.*17(?:.|\n)*More: the same with --before 2/);
});

test('purge asks first; without a terminal it refuses and deletes nothing', async () => {
  const folder = project({ 'app.js': shop });
  await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[1, 1]']);
  const refused = await umbel(folder, [...withApp, 'purge']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain("deletes 1 message from 'celery' for good");
  expect(refused.stderr).toContain('--force');
  expect((await umbel(folder, [...withApp, 'purge', '--force'])).stdout).toBe(
    "Purged 1 message from 'celery'.\n",
  );
});

/** `shop`, whose worker gives up at once what it does not know. */
const impatient = shop.replace("App('shop')", "App('shop', { workerUnknownTaskGrace: 0 })");

/** Until so many messages have died. */
async function died({ app }: Worker, count: number): Promise<void> {
  await until(async () => (await app.deadLetters.count()) === count, `${count} dead letters`);
}

/** In a terminal, as `script` makes one, with somebody who types. */
async function inTerminal(
  folder: string,
  typed: string,
  args: string,
): Promise<{ code: number | null; screen: string }> {
  const line = `${process.execPath} ${command} ${args}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    if (text.includes('[yes/NO]')) child.stdin.end(typed);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, screen };
}

test('on a terminal purge asks, and only yes deletes', async () => {
  const folder = project({ 'app.js': shop });
  await umbel(folder, [...withApp, 'call', 'shop.add', '-a', '[1, 1]']);
  for (const no of ['no\n', '\n', '\u0004']) {
    const { code, screen } = await inTerminal(folder, no, '-A ./app.js purge');
    expect(screen).toContain('Nothing was deleted.');
    expect(code).toBe(1);
  }
  const { code, screen } = await inTerminal(folder, 'yes\n', '-A ./app.js purge');
  expect(screen).toContain("Purged 1 message from 'celery'.");
  expect(code).toBe(0);
});

test('dead letters are listed, shown with their bytes, replayed and discarded', async () => {
  const folder = project({ 'app.js': impatient });
  const worker = await workerOf(folder);
  await umbel(folder, [...withApp, 'call', 'shop.unknown', '--remote', '-a', '["\\u001b[31mred"]']);
  await died(worker, 1);
  await umbel(folder, ['call', 'shop.other', '--remote']);
  await died(worker, 2);

  const table = await umbel(folder, [...withApp, 'dead', 'list']);
  expect(table.stdout).toMatch(/shop\.other[\s\S]*shop\.unknown/);
  expect(table.stdout).toContain('unknown-task');

  const [newest, oldest] = JSON.parse((await umbel(folder, ['dead', 'list', '--json'])).stdout);
  expect(newest).toMatchObject({ queue: 'celery', reason: 'unknown-task', message: { task: 'shop.other' } });
  expect(oldest.message).toMatchObject({ task: 'shop.unknown', args: ['\u001b[31mred'] });

  const shown = await umbel(folder, ['dead', 'show', String(oldest.id)]);
  expect(shown.stdout).toContain('shop.unknown');
  expect(shown.stdout).toContain('"content-type"');
  expect(shown.stdout).not.toContain('\u001b');
  const raw = await umbel(folder, ['dead', 'show', String(oldest.id), '--raw']);
  expect(raw.stdout).toBe(Buffer.from(oldest.raw, 'base64').toString());
  expect(JSON.parse(raw.stdout).headers.task).toBe('shop.unknown');

  const first = await umbel(folder, ['dead', 'list', '--limit', '1', '--json']);
  expect(JSON.parse(first.stdout).map((letter: { id: number }) => letter.id)).toEqual([newest.id]);
  const next = await umbel(folder, ['dead', 'list', '--before', String(newest.id), '--json']);
  expect(JSON.parse(next.stdout).map((letter: { id: number }) => letter.id)).toEqual([oldest.id]);

  await worker.stop();
  const replayed = await umbel(folder, ['dead', 'replay', String(oldest.id), '99']);
  expect(replayed).toMatchObject({ code: 1, stdout: 'Replayed 1 dead letter.\n' });
  expect(replayed.stderr).toContain('there is no dead letter 99');
  expect((await umbel(folder, ['purge', '-f'])).stdout).toBe("Purged 1 message from 'celery'.\n");

  expect((await umbel(folder, ['dead', 'discard', '--all'])).code).toBe(2);
  expect((await umbel(folder, ['dead', 'discard', '--all', '-f'])).stdout).toBe('Discarded 1 dead letter.\n');
  expect((await umbel(folder, ['dead', 'list'])).stdout).toBe('No dead letters.\n');
  expect(await umbel(folder, ['dead', 'show', '1'])).toMatchObject({ code: 1 });
});

test('--all replays every dead letter of a queue in the order in which they died', async () => {
  const folder = project({ 'app.js': impatient });
  const worker = await workerOf(folder, { queues: ['a', 'b'] });
  for (const [task, queue] of ['a', 'b', 'a'].entries()) {
    await umbel(folder, ['call', `shop.${task}`, '-Q', queue, '--remote']);
    await died(worker, task + 1);
  }
  await worker.stop();
  const replayed = await umbel(folder, ['dead', 'replay', '--all', '-Q', 'a', '--json']);
  const { done } = JSON.parse(replayed.stdout);
  expect(done).toHaveLength(2);
  expect(done[0]).toBeLessThan(done[1]);
  expect(JSON.parse((await umbel(folder, ['dead', 'list', '--json'])).stdout)).toMatchObject([
    { queue: 'b' },
  ]);
});

test('dead letters are found by what they are, and replayed at a rate that Ctrl-C ends', async () => {
  const folder = project({ 'app.js': impatient });
  const worker = await workerOf(folder);
  for (const [n, task] of ['mail.a', 'mail.b', 'other'].entries()) {
    await umbel(folder, ['call', task, '-a', JSON.stringify([`for ${task}`]), '--remote']);
    await died(worker, n + 1);
  }
  await worker.stop();
  const tasksOf = async (...options: readonly string[]): Promise<readonly string[]> => {
    const listed = await umbel(folder, ['dead', 'list', '--json', ...options]);
    return JSON.parse(listed.stdout).map(({ message }: { message: { task: string } }) => message.task);
  };
  expect(await tasksOf('--task', 'mail.*', '--reason', 'unknown-task', '--died-after', '10m')).toEqual([
    'mail.b',
    'mail.a',
  ]);
  expect(await tasksOf('--died-before', '10m')).toEqual([]);
  expect(await tasksOf('--text', 'for other')).toEqual(['other']);
  const wrong = await umbel(folder, ['dead', 'replay', '1', '--task', 'mail.*']);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('not both') });
  expect((await umbel(folder, ['dead', 'list', '--reason', 'rejectd'])).stderr).toContain(
    "did you mean 'rejected'",
  );

  // The second would come in an hour.
  const replay = start(folder, ['dead', 'replay', '--task', 'mail.*', '--rate', '1/h']);
  await until(async () => (await tasksOf()).length < 3, 'the first to be replayed');
  replay.kill('SIGINT');
  const { code, stdout } = await replay.ended;
  expect([code, stdout]).toEqual([
    1,
    'Replayed 1 dead letter; the rest is where it was. Run it again to go on.\n',
  ]);
  expect(await tasksOf()).toEqual(['other', 'mail.b']);
  expect((await umbel(folder, ['dead', 'discard', '--task', 'mail.*', '-f'])).stdout).toBe(
    'Discarded 1 dead letter.\n',
  );
  expect(await tasksOf()).toEqual(['other']);
});
