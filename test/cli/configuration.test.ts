// Where options come from, log files, pid files, and that no secret is ever printed.
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expandPath, watchFile, writePidFile } from '../../src/cli/log-file.ts';
import { needs } from '../needs.ts';
import { isLong } from '../run/scale.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { project, shop, start, umbel, umbelProcess } from './harness.ts';

const reportOf = async (
  folder: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ settings: Record<string, unknown>; sources: Record<string, string> }> => {
  const { stdout, stderr, code } = await umbel(folder, ['report', '--json', ...args], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
};

test('report tells the stores, and the folder of the embedded one, also where nothing was chosen', async () => {
  const folder = project({ 'app.js': shop });
  const { stdout } = await umbel(folder, ['-A', './app.js', 'report']);
  expect(stdout).toContain(`folder   -> ${folder}\n`);
  expect(stdout).toContain('broker_url: sqlite://.umbel/store.db (default)\n');
  expect(stdout).toContain('result_backend: sqlite://.umbel/store.db (default)\n');
});

test('a flag comes before the environment, that before .env, and that before umbel.config; report says which it was', async () => {
  const folder = project({
    'app.js': shop,
    '.env': 'UMBEL_BROKER_URL=sqlite://./from-env-file.db\n',
    'umbel.config.js': `export default { app: './app.js', broker: 'sqlite://./from-config.db' };\n`,
  });
  const broker = async (args: readonly string[] = [], env = {}): Promise<readonly unknown[]> => {
    const { settings, sources } = await reportOf(folder, args, env);
    return [settings.broker_url, sources.broker_url];
  };
  const variable = { UMBEL_BROKER_URL: 'sqlite://./from-variable.db' };
  expect(await broker(['-b', 'sqlite://./from-flag.db'], variable)).toEqual([
    ...['sqlite://./from-flag.db', 'flag: --broker'],
  ]);
  expect(await broker([], variable)).toEqual([
    ...['sqlite://./from-variable.db', 'environment: UMBEL_BROKER_URL'],
  ]);
  expect(await broker()).toEqual(['sqlite://./from-env-file.db', '.env: UMBEL_BROKER_URL']);
  writeFileSync(join(folder, '.env'), '');
  expect(await broker()).toEqual(['sqlite://./from-config.db', 'umbel.config.js: UMBEL_BROKER_URL']);
  writeFileSync(
    join(folder, 'umbel.config.ts'),
    `const config: object = { app: './app.js', broker: 'sqlite://./from-config.db' };\nexport default config;\n`,
  );
  expect(await broker()).toEqual(['sqlite://./from-config.db', 'umbel.config.ts: UMBEL_BROKER_URL']);
});

test('a password of its own variable is in the URL, hidden', async () => {
  const folder = project({ 'app.js': shop });
  const { settings, sources } = await reportOf(folder, ['-A', './app.js'], {
    UMBEL_BROKER_URL: 'redis://shop@localhost:1/0',
    UMBEL_BROKER_PASSWORD: 'c@nary',
  });
  expect(settings.broker_url).toBe('redis://shop:**@localhost:1/0');
  expect(sources.broker_url).toBe('environment: UMBEL_BROKER_URL');
  expect(JSON.stringify(settings)).not.toMatch(/c(@|%40)nary/);
});

test('a .env that is written for Docker Compose is read as Compose reads it', async () => {
  const folder = project({
    'app.js': shop,
    '.env': `REDIS_PASSWORD=canary
CELERY_BROKER_URL=redis://:\${REDIS_PASSWORD}@redis:6379/0
CELERY_RESULT_BACKEND=redis://:\${REDIS_PASSWORD}@redis:6379/1
`,
  });
  const { settings, sources } = await reportOf(folder, ['-A', './app.js']);
  expect(settings).toMatchObject({
    broker_url: 'redis://:**@redis:6379/0',
    result_backend: 'redis://:**@redis:6379/1',
  });
  expect(sources.broker_url).toBe('.env: CELERY_BROKER_URL');
  expect(JSON.stringify(settings)).not.toContain('canary');
  writeFileSync(join(folder, '.env'), `CELERY_BROKER_URL=redis://:\${NOBODY}@redis:6379/0\n`);
  expect(await umbel(folder, ['-A', './app.js', 'report'])).toMatchObject({
    stderr: expect.stringContaining('CELERY_BROKER_URL names the variable NOBODY, which is not set'),
  });
  writeFileSync(
    join(folder, 'app.js'),
    shop.replace("'shop')", "'shop', { broker: 'sqlite://./in-code.db' })"),
  );
  expect((await reportOf(folder, ['-A', './app.js'])).sources.broker_url).toBe('code');
});

test('umbel.config.js holds what one would type: the App, and options by command', async () => {
  const folder = project({
    'app.js': shop,
    'umbel.config.js': `export default { app: './app.js', worker: { concurrency: 3, queues: ['celery', 'slow'], loglevel: 'info' } };`,
  });
  const worker = start(folder, ['worker', '--log-format', 'json', '-c', '2']);
  await worker.said(/ready/);
  const facts = JSON.parse(worker.stderr.split('\n').find((line) => line.includes('"concurrency"')) ?? '{}');
  expect(facts).toMatchObject({ app: 'shop', concurrency: 2, queues: ['celery', 'slow'] });
});

test.each([
  ['export default { workers: {} };', "there is no 'workers'; did you mean 'worker'?"],
  ['export default { report: { al: true } };', "report: there is no option 'al'; did you mean 'all'?"],
  ['syntax error', 'cannot load'],
])('%s in umbel.config.js is refused in a sentence', async (text, message) => {
  const { code, stderr } = await umbel(project({ 'umbel.config.js': text }), ['report']);
  expect(stderr).toContain(message);
  expect(code).not.toBe(0);
});

test('names of log and pid files are expanded as in Celery', () => {
  expect(expandPath('log/%n-%h-%d.log', 'images@eu1.example.com')).toBe(
    'log/images-eu1.example.com-example.com.log',
  );
  expect(expandPath('log/%n%I.log', 'images@eu1')).toBe('log/images.log');
  expect(expandPath('log/%n-%I.log', 'images@eu1')).toBe('log/images.log');
  expect(expandPath('log/%n-%i.log', 'images@eu1')).toBe('log/images-0.log');
  expect(expandPath('100%%/%p', 'images@eu1')).toBe('100%/images@eu1');
});

test('a pid file is taken from a process that is gone, never from one that lives', () => {
  const file = join(project({}), 'run', 'w.pid');
  {
    using _mine = writePidFile(file);
    expect(readFileSync(file, 'utf8')).toBe(`${process.pid}\n`);
    expect(statSync(file).mode & 0o137).toBe(0); // nobody else writes it, and strangers do not read it
  }
  expect(existsSync(file)).toBe(false);
  writeFileSync(file, '99999999\n');
  {
    using _mine = writePidFile(file);
    expect(readFileSync(file, 'utf8')).toBe(`${process.pid}\n`);
  }
  writeFileSync(file, `${process.ppid}\n`);
  expect(() => writePidFile(file)).toThrow(/has the pid file .* and lives/);
  writeFileSync(file, 'a log, named by mistake\n');
  expect(() => writePidFile(file)).toThrow(/is not a pid file; it is left unchanged/);
  expect(existsSync(file)).toBe(true);
});

test('a log file that was moved is opened anew', async () => {
  const file = join(project({ 'a.log': 'x' }), 'a.log');
  await new Promise<void>((resolve) => {
    const watching = watchFile(
      file,
      () => {
        watching[Symbol.dispose]();
        resolve();
      },
      20,
    );
    renameSync(file, `${file}.1`);
  });
});

test('a worker logs to a file with the id and name of the task in each line, and goes on after a rotation', async () => {
  const folder = project({ 'app.js': shop });
  const worker = start(folder, [
    ...['-A', './app.js', 'worker', '-n', 'images@%h', '-l', 'info'],
    ...['--logfile', 'log/%n.log', '--pidfile', 'run/%n.pid'],
  ]);
  const file = join(folder, 'log', 'images.log');
  const logged = async (pattern: RegExp): Promise<string> => {
    const text = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    await until(
      () => pattern.test(text()),
      () => `${pattern} in the log; ${worker.stderr}`,
    );
    return text();
  };
  await logged(/ready/);
  expect(statSync(file).mode & 0o137).toBe(0);
  const pid = readFileSync(join(folder, 'run', 'images.pid'), 'utf8');
  expect(Number(pid)).toBe(worker.child.pid);
  const second = await umbelProcess(folder, [
    '-A',
    './app.js',
    'worker',
    '-n',
    'images@%h',
    '--pidfile',
    'run/%n.pid',
  ]);
  expect(second).toMatchObject({ code: 73, stderr: expect.stringContaining('[UMBEL_PID_FILE]') });
  renameSync(file, `${file}.1`);
  const { stderr } = await umbel(folder, ['-A', './app.js', 'call', 'shop.log', '--wait', '60']);
  // Opened anew within a second: what is logged after that is there.
  await until(() => existsSync(file), 'the new file');
  await umbel(folder, ['-A', './app.js', 'call', 'shop.log', '--wait', '60']);
  const lines = (await logged(/"msg":"inside"/))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.find(({ msg }) => msg === 'inside')).toMatchObject({
    task_name: 'shop.log',
    task_id: expect.any(String),
  });
  expect(stderr).not.toBe('');
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  expect(existsSync(join(folder, 'run', 'images.pid'))).toBe(false);
});

const canary = 'canary-pw-81';

needs(describe, noRedis)('secrets', () => {
  test('no command ever prints a password', { timeout: 300_000 }, async () => {
    await using redis = await RedisServerProcess.start('--requirepass', canary);
    const url = redis.url().replace('//', `//:${canary}@`);
    const wrong = redis.url().replace('//', `//:${canary}-wrong@`);
    const folder = project({
      'app.js': shop.replace(
        "'shop')",
        `'shop', { brokerTransportOptions: { socketTimeout: 5 }, taskPublishTimeout: '1s', backend: '${url}' })`,
      ),
      'celeryconfig.py': `broker_url = '${url}'\nresult_backend = '${url}' + x\n`,
      '.env': `SECRET=${canary}\n`,
    });
    mkdirSync(join(folder, 'log'));
    const worker = start(folder, [
      '-A',
      './app.js',
      '-b',
      url,
      'worker',
      '-n',
      'w@here',
      '-l',
      'debug',
      '--logfile',
      'log/w.log',
      '--log-format',
      'pretty',
    ]);
    await worker.said(/\[config\]/);
    const log = join(folder, 'log', 'w.log');
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes('w@here ready'),
      'the worker to be ready',
    );
    const most: readonly (readonly string[])[] = [
      ['report', '--json'],
      ['status', '-t', '3'],
      ['inspect', 'stats', '-t', '3'],
      ['inspect', 'report', '-t', '3'],
      ['graph', 'workers', '-t', '3'],
      ['call', 'shop.add', '-a', '[1, 2]', '--wait', '20'],
      ['top', '--once', '-i', '300ms'],
      ['list', 'bindings'],
      ['purge', '-f'],
      ['dead', 'list'],
      ['schedule', 'list'],
      ['amqp', 'queue.declare', 'x'],
      ['nothing'],
      ['events', '--dump', '--limit', '1'],
      ['control', 'enable_events', '-t', '3'],
      ['inspect', 'active_queues', '-j', '-t', '3'],
      ['migrate', url, 'sqlite://./y.db', '-f', '-T', 'shop.none', '-t', '0.1'],
      ['purge', '-f', '-X', 'nothing'],
      ['worker', '-D', '-X', 'nothing'],
      ['shell'],
      ['graph', 'bootsteps'],
      ['result', 'nothing'],
      ['flower', '--address', '0.0.0.0'],
    ];
    const few = [
      ['report', '--all'],
      ['inspect', 'conf', 'true', '-t', '60', '-d', 'w@here'],
      ['doctor'],
      ['multi', 'show', 'a'],
      ['worker', '--config', url],
      ['migrate', url, 'sqlite://./x.db', '-f'],
      ['upgrade', 'settings', 'celeryconfig.py'],
    ];
    // All of them in the long run.
    const commands = isLong ? [...few, ...most] : few;
    const runs = commands.map((words) => ['-A', './app.js', '-b', url, ...words]);
    const texts = new Map<string, string>();
    const run = async (args: readonly string[], how: typeof umbel): Promise<void> => {
      const { stdout, stderr } = await how(folder, args);
      texts.set(args.join(' ').replaceAll(canary, '**'), stdout + stderr);
    };
    // In processes of their own Node's warnings are among what they print.
    for (const args of runs) await run(args, isLong ? umbelProcess : umbel);
    await run(['-A', './app.js', '-b', wrong, 'call', 'shop.add', '--debug'], umbelProcess);
    texts.set('the worker', worker.stdout + worker.stderr + readFileSync(log, 'utf8'));
    for (const [what, text] of texts) expect(text.includes(canary), `${what}: ${text}`).toBe(false);
    expect([...texts.values()].filter((text) => text.includes('**')).length).toBeGreaterThan(2);
  });
});
