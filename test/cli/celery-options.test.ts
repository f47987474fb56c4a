// What people bring along from Celery's command line.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { project, shop, start, umbel } from './harness.ts';

// Each of them starts several programs, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });
test('a worker and a beat start in the background, with a pid file and a log', async () => {
  const folder = project({ 'sub/app.js': shop });
  const at = ['--workdir', 'sub', '-A', './app.js'];
  const pidOf = (file: string): number => Number(readFileSync(join(folder, file), 'utf8'));
  const pids: number[] = [];
  onTestFinished(() => {
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {} // it has ended
  });
  const files = ['--pidfile', 'run/%n.pid', '--logfile', 'log/%n.log'];
  const [worker, beat] = await Promise.all([
    umbel(folder, [...at, 'worker', '-DE', '-n', 'images@eu', '-O', 'fair', ...files]),
    umbel(folder, [...at, 'beat', '--detach', '--json']),
  ]);
  pids.push(pidOf('sub/run/images.pid'), pidOf('sub/beat.pid'));
  expect(worker).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^images@eu: started, as process \d+; its log is .*images\.log\n$/),
    stderr: expect.stringMatching(/-O has no effect: a worker takes only what it can run/),
  });
  expect(JSON.parse(beat.stdout)).toMatchObject({ pid: pids[1], pidfile: join(folder, 'sub/beat.pid') });
  const sum = await umbel(folder, [...at, 'call', 'shop.add', '-a', '[2, 3]', '--wait', '20']);
  expect(sum.stdout).toBe('5\n');
  // Its place is taken, and so the exit code is Celery's for that.
  expect(await umbel(folder, [...at, 'worker', '-D', '-n', 'images@eu', ...files])).toMatchObject({
    code: 73,
    stderr: expect.stringMatching(/images@eu did not start: the process \d+ has the pid file/),
  });
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  await expect.poll(() => existsSync(join(folder, 'sub/run/images.pid')), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => existsSync(join(folder, 'sub/beat.pid')), { timeout: 20_000 }).toBe(false);
  expect(readFileSync(join(folder, 'sub/log/images.log'), 'utf8')).toContain('umbel worker');
});

test('what does not start in the background says why', async () => {
  const folder = project({ 'app.js': 'export const app = 1;' });
  expect(await umbel(folder, ['-A', './app.js', 'worker', '-D', '-n', 'a'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/did not start: .*exports no App|did not start: the export/),
  });
});

test('queues are excluded from a purge, and from what a worker serves', async () => {
  const folder = project({
    'app.js': `import { App } from 'umbel';
      export const app = new App('shop', { taskQueues: { celery: {}, slow: {}, mails: {} } });
      app.task('shop.add', (x, y) => x + y);`,
  });
  const at = ['-A', './app.js'];
  for (const queue of ['celery', 'slow', 'mails'])
    await umbel(folder, [...at, 'call', 'shop.add', '-Q', queue]);
  const purged = await umbel(folder, [...at, 'purge', '-fj', '-X', 'slow,mails']);
  expect(JSON.parse(purged.stdout)).toEqual({ purged: { celery: 1 } });
  expect(await umbel(folder, [...at, 'purge', '-f', '-X', 'slwo'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/the queue 'slwo' is not among celery, slow, mails/),
  });
  const worker = start(folder, [...at, 'worker', '-X', 'slow', '--discard', '--log-format', 'json']);
  await worker.said(/ready/);
  const queues = await umbel(folder, [...at, 'inspect', 'active_queues', '-j']);
  expect(queues.stdout).toContain('"mails"');
  expect(queues.stdout).not.toContain('"slow"');
  expect(worker.stderr).toMatch(/"purged":1.*purged 'mails'/);
});

test('what has no meaning here is said, and what would change what is done is refused', async () => {
  const folder = project({ 'app.js': shop });
  const run = (...args: readonly string[]) => umbel(folder, ['-A', './app.js', ...args]);
  const [asUser, loader, idle] = await Promise.all([
    run('worker', '--uid', 'nobody'),
    run('--loader', 'x', 'report'),
    run('shell', '--ipython'),
  ]);
  expect(asUser).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no --uid here; start it as that user/),
  });
  expect(loader).toMatchObject({ code: 2, stderr: expect.stringMatching(/no --loader here/) });
  expect(idle).toMatchObject({ code: 0, stderr: expect.stringMatching(/--ipython has no effect/) });
});
