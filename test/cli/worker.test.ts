import { expect, test } from 'vitest';
import { isLong } from '../run/scale.ts';
import { command, Program, project, shop, start, startWorker, umbel } from './harness.ts';

const withApp = ['-A', './app.js'];
const send = (folder: string, name: string, args: string, ...options: string[]) =>
  umbel(folder, [...withApp, 'call', name, '-a', args, ...options]);

test('a worker says what it is: application, store, concurrency, queues and tasks, without passwords', async () => {
  const folder = project({ 'app.js': shop });
  const worker = start(folder, [
    'worker',
    '-A',
    './app.js',
    '-c3',
    '-Qa,b',
    '-nimages@%h',
    '-lINFO',
    '--log-format=pretty',
  ]);
  await worker.said(/ready/);
  worker.kill('SIGTERM');
  const { code, stdout } = await worker.ended;
  expect(stdout).toMatch(/images@\S+ · umbel/);
  expect(stdout).toContain('.> app:         shop (./app.js)\n');
  expect(stdout).toContain('.> transport:   sqlite://.umbel/store.db\n');
  expect(stdout).toContain('.> concurrency: 3 (async)\n');
  expect(stdout).toContain('.> a\n.> b\n');
  expect(stdout).toContain('. shop.add\n');
  expect(code).toBe(0);
});

test("with --log-format json every line of the log is JSON, on stderr, and stdout is the tasks' own", async () => {
  const folder = project({ 'app.js': shop });
  const worker = await startWorker(folder);
  await send(folder, 'shop.log', '[]', '--wait', '60');
  worker.kill('SIGTERM');
  const { stdout, stderr } = await worker.ended;
  expect(stdout).toBe('');
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const inside = lines.find((line) => line.msg === 'inside');
  expect(inside).toMatchObject({
    level: 'info',
    extra: 1,
    task_name: 'shop.log',
    task_id: expect.any(String),
  });
  // What is logged once stays in its line.
  expect(lines[0]).toMatchObject({ app: 'shop', queues: ['celery'] });
  expect(inside).not.toHaveProperty('queues');
  expect(inside.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
});

test('-l warning is silent about tasks that succeed', async () => {
  const folder = project({ 'app.js': shop });
  const worker = start(folder, [...withApp, 'worker', '-l', 'warning', '--log-format', 'json']);
  expect((await send(folder, 'shop.add', '[1, 2]', '--wait', '60')).stdout).toBe('3\n');
  worker.kill('SIGTERM');
  expect(await worker.ended).toMatchObject({ code: 0, stderr: '', stdout: '' });
});

test('SIGTERM lets a running task finish, records its result, and ends with exit code 0', async () => {
  const folder = project({ 'app.js': shop });
  const worker = await startWorker(folder);
  const { stdout: id } = await send(folder, 'shop.slow', '[1]');
  await worker.said(/slow begins/);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  expect((await umbel(folder, [...withApp, 'result', id.trim()])).stdout).toBe('slow ended\n');
});

test('a second Ctrl-C gives a running task back at once, with exit code 1, and another worker runs it', async () => {
  const folder = project({
    'app.js': `${shop}
      import { existsSync, writeFileSync } from 'node:fs';
      app.task('shop.again', async () => {
        console.log('slow begins');
        if (existsSync('begun')) return 'slow ended';
        writeFileSync('begun', '');
        await new Promise((resolve) => setTimeout(resolve, 600_000));
      });`,
  });
  const worker = await startWorker(folder);
  const { stdout: id } = await send(folder, 'shop.again', '[]');
  await worker.said(/slow begins/);
  worker.kill('SIGINT');
  await worker.said(/shut/i);
  // Signals of one Ctrl-C that come twice within 200 ms count once.
  await new Promise((resolve) => setTimeout(resolve, 300));
  worker.kill('SIGINT');
  expect((await worker.ended).code).toBe(1);

  const next = await startWorker(folder);
  await next.said(/slow begins/);
  expect((await umbel(folder, [...withApp, 'result', id.trim(), '--wait', '60'])).stdout).toBe(
    'slow ended\n',
  );
});

test('--purge deletes what waits in its queues before it takes anything', async () => {
  const folder = project({ 'app.js': shop });
  await send(folder, 'shop.add', '[1, 2]');
  await send(folder, 'shop.add', '[1, 2]', '-Q', 'other');
  const worker = await startWorker(folder, '--purge');
  worker.kill('SIGTERM');
  const { stderr } = await worker.ended;
  expect(stderr).toContain('"purged":1');
  expect(stderr).not.toContain('received');
  expect((await umbel(folder, ['purge', '-f', '-Q', 'other'])).stdout).toBe(
    "Purged 1 message from 'other'.\n",
  );
});

test('--time-limit fails a task that runs longer', async () => {
  const folder = project({ 'app.js': shop });
  await startWorker(folder, '--time-limit', '500ms');
  const { code, stderr } = await send(folder, 'shop.slow', '[30]', '--wait', '60');
  expect(stderr).toContain('TimeLimitExceeded');
  expect(code).toBe(1);
});

test('a worker that was started with a channel ends as by SIGTERM when its parent is killed', async () => {
  const parent = `
    import { spawn } from 'node:child_process';
    spawn(process.execPath, [${JSON.stringify(command)}, '-A', './app.js', 'worker', '--log-format', 'json'],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });`;
  const program = new Program(['parent.js'], project({ 'app.js': shop, 'parent.js': parent }));
  await program.said(/ready/);
  program.kill('SIGKILL');
  // Its output is closed when the last of the two has ended.
  const { signal, stderr } = await program.ended;
  expect(signal).toBe('SIGKILL');
  expect(stderr).toMatch(/stopped/);
});

// prefork is Celery's name for processes.
test.each(
  isLong ? ['processes', 'threads', 'prefork'] : ['prefork'],
)('-P %s runs an application written in TypeScript, and ends what loops', async (pool) => {
  const folder = project({
    'package.json': '{ "type": "module" }',
    'app.ts': `import { App } from 'umbel';
export const app: App = new App('shop');
app.task('shop.add', (x: number, y: number): number => x + y);
app.task('shop.spin', { timeLimit: 0.5 }, (): void => { for (;;); });
`,
  });
  const worker = start(folder, ['-A', './app.ts', 'worker', '-P', pool, '-c', '1', '-l', 'info']);
  await worker.said(/ready/);
  const call = (name: string, args: string) => umbel(folder, ['call', name, '-a', args, '--wait', '60']);
  expect((await call('shop.add', '[1, 2]')).stdout).toBe('3\n');
  expect(await call('shop.spin', '[]')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('TimeLimitExceeded'),
  });
  expect((await call('shop.add', '[3, 4]')).stdout).toBe('7\n');
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
});
