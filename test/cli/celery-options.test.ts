// What people bring along from Celery's command line.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../until.ts';
import { project, shop, startWorker, umbel, umbelProcess } from './harness.ts';

test('a worker and a beat start in the background, with a pid file and a log', async () => {
  const folder = project({ 'sub/app.js': shop });
  const at = ['--workdir', 'sub', '-A', './app.js'];
  const pidFiles = ['sub/run/images.pid', 'sub/beat.pid'].map((file) => join(folder, file));
  const running = (): number[] =>
    pidFiles.filter((file) => existsSync(file)).map((file) => Number(readFileSync(file, 'utf8')));
  onTestFinished(() => {
    for (const pid of running())
      try {
        process.kill(pid, 'SIGKILL');
      } catch {} // it has ended
  });
  const files = ['--pidfile', 'run/%n.pid', '--logfile', 'log/%n.log'];
  const [worker, beat] = await Promise.all([
    umbelProcess(folder, [...at, 'worker', '-DE', '-n', 'images@eu', '-O', 'fair', ...files]),
    umbelProcess(folder, [...at, 'beat', '--detach', '--json']),
  ]);
  const pids = running();
  expect(worker).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^images@eu: started, as process \d+; its log is .*images\.log\n$/),
    stderr: expect.stringMatching(/-O has no effect: a worker takes only what it can run/),
  });
  expect(JSON.parse(beat.stdout)).toMatchObject({ pid: pids[1], pidfile: join(folder, 'sub/beat.pid') });
  const sum = await umbel(folder, [...at, 'call', 'shop.add', '-a', '[2, 3]', '--wait', '60']);
  expect(sum.stdout).toBe('5\n');
  // Its place is taken, and so the exit code is Celery's for that.
  expect(await umbelProcess(folder, [...at, 'worker', '-D', '-n', 'images@eu', ...files])).toMatchObject({
    code: 73,
    stderr: expect.stringMatching(/images@eu did not start: the process \d+ has the pid file/),
  });
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  await until(() => !pidFiles.some((file) => existsSync(file)), 'the end of both');
  expect(readFileSync(join(folder, 'sub/log/images.log'), 'utf8')).toContain('umbel worker');
});

test('what does not start in the background says why', async () => {
  const folder = project({ 'app.js': 'export const app = 1;' });
  expect(await umbelProcess(folder, ['-A', './app.js', 'worker', '-D', '-n', 'a'])).toMatchObject({
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
  const worker = await startWorker(folder, '-n', 'w@here', '-X', 'slow', '--discard');
  const queues = await umbel(folder, [...at, 'inspect', 'active_queues', '-j', '-d', 'w@here', '-t', '60']);
  expect(queues.stdout).toContain('"mails"');
  expect(queues.stdout).not.toContain('"slow"');
  expect(worker.stderr).toMatch(/"purged":1.*purged 'mails'/);
});

test('what has no meaning here is said, and what would change what is done is refused', async () => {
  const folder = project({ 'app.js': shop });
  const asUser = await umbel(folder, ['-A', './app.js', 'worker', '--uid', 'nobody']);
  const loader = await umbel(folder, ['-A', './app.js', '--loader', 'x', 'report']);
  const idle = await umbelProcess(folder, ['-A', './app.js', 'shell', '--ipython']);
  expect(asUser).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no --uid here; start it as that user/),
  });
  expect(loader).toMatchObject({ code: 2, stderr: expect.stringMatching(/no --loader here/) });
  expect(idle).toMatchObject({ code: 0, stderr: expect.stringMatching(/--ipython has no effect/) });
});
