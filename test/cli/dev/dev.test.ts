// `umbel dev` as a person has it in a terminal.
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { needs } from '../../needs.ts';
import { inLongRun } from '../../run/scale.ts';
import { noRedis, RedisServerProcess } from '../../servers/redis.ts';
import { until } from '../../until.ts';
import { type Program, project, shop, start, umbel } from '../harness.ts';

/** The application, which says by a second file which code runs. */
const files = {
  'app.js': `${shop}
import { edition } from './edition.js';
app.task('shop.edition', () => edition);
`,
  'edition.js': 'export const edition = 1;',
};

function urlOf(dev: Program, name: string): string {
  return new RegExp(`${name} on (http://[\\d.:]+)`).exec(dev.stdout)?.[1] ?? '';
}

test('it starts all programs, starts them again when the code changes, waits while the code is wrong, and finishes running tasks at Ctrl-C', async () => {
  const folder = project(files);
  // Others have the usual ports, or nobody has.
  const dev = start(folder, ['dev'], { env: { FORCE_COLOR: '0' } });
  await dev.said(/ready after/);
  expect(dev.stdout).toMatch(/^dev {7}\| umbel .* · \.\/app\.js · watching \/.*\n/);
  const [gateway, dashboard] = [urlOf(dev, 'gateway'), urlOf(dev, 'dashboard')];
  const edition = async (): Promise<unknown> => {
    const sent = await fetch(`${gateway}/tasks/shop.edition`, { method: 'POST' });
    const { id } = (await sent.json()) as { id: string };
    return ((await (await fetch(`${gateway}/tasks/${id}/result?wait=60`)).json()) as { result: unknown })
      .result;
  };
  expect(await edition()).toBe(1);

  // As many editors save.
  writeFileSync(join(folder, '.edition.js.swp'), 'export const edition = ;');
  renameSync(join(folder, '.edition.js.swp'), join(folder, 'edition.js'));
  await dev.said(/worker did not start: waiting for a change; beat, gateway and dashboard go on/);
  expect(dev.stdout).toMatch(/worker {4}\| umbel: cannot load '\.\/app\.js': SyntaxError/);
  expect((await fetch(`${dashboard}/healthcheck`)).status).toBe(200);
  expect((await fetch(`${gateway}/health`)).status).toBe(200);

  writeFileSync(join(folder, 'edition.js'), 'export const edition = 2;');
  await dev.said(/ready after/, 2);
  expect(await edition()).toBe(2);

  await umbel(folder, ['call', 'shop.slow', '-a', '[0.5]']);
  await dev.said(/slow begins/);
  dev.kill('SIGINT');
  const { code, stdout } = await dev.ended;
  expect(stdout).toMatch(/worker {4}\| .*shop\.slow.* succeeded/);
  expect(code).toBe(0);
});

needs(test, noRedis)('when it is killed nothing stays, and the task that ran is given back', async () => {
  const server = await RedisServerProcess.shared();
  const folder = project(files);
  const at = ['-b', server.url()];
  const dev = start(folder, [...at, 'dev', '--no-beat', '--no-dashboard', '--port', '0', '--grace', '0']);
  await dev.said(/ready after/);
  await umbel(folder, [...at, 'call', 'shop.slow', '-a', '[3600]', '-Q', 'celery', '--task-id', 'slow-1']);
  await dev.said(/slow begins/);
  dev.kill('SIGKILL');
  await dev.ended;
  // The end of the test waits for the end of each process in the folder.
  await until(async () => {
    const { stdout } = await umbel(folder, [...at, 'queues', '--json']);
    return /"ready":1/.test(stdout);
  });
});

needs(test, inLongRun)('when it is killed, a worker that a task blocks does not stay either', async () => {
  const folder = project({
    'app.js': `${shop} app.task('shop.block', () => { console.log('blocked'); for (;;); });`,
  });
  const dev = start(folder, ['dev', '--no-beat', '--no-gateway', '--no-dashboard', '--grace', '0']);
  await dev.said(/ready after/);
  await umbel(folder, ['call', 'shop.block']);
  await dev.said(/blocked/);
  dev.kill('SIGKILL');
  await dev.ended; // the end of the test waits for the end of each process in the folder
});

test('a program of the user’s runs beside, with .env and the broker of the others, and ends warm', async () => {
  const server = (edition: number): string => `
setInterval(() => undefined, 1000);
process.once('SIGTERM', () => {
  console.log('says good-bye');
  process.exit();
});
console.log('edition ${edition} on', process.env.UMBEL_BROKER_URL, process.env.GREETING);`;
  const folder = project({ ...files, 'server.js': server(1), '.env': 'GREETING=hello' });
  const few = ['--no-beat', '--no-gateway', '--no-dashboard'];
  const own = ['--run', 'web-server=node server.js', '--run', 'once=echo built && exit'];
  const dev = start(folder, ['-b', 'sqlite://./other.db', 'dev', ...few, ...own]);
  await dev.said(/^web-server \| edition 1 on sqlite:\/\/\.\/other\.db hello$/m);
  await dev.said(/^once {7}\| built$/m);
  await dev.said(/ready after/);
  expect(dev.stdout).toMatch(/^worker {5}\| /m);
  writeFileSync(join(folder, '.env'), 'GREETING=again');
  writeFileSync(join(folder, 'server.js'), server(2));
  await dev.said(/edition 2 on sqlite:\/\/\.\/other\.db again/);
  dev.kill('SIGINT');
  const { code, stdout } = await dev.ended;
  expect(stdout.match(/says good-bye/g)).toHaveLength(2);
  expect(code).toBe(0);
});

test('when it is killed, no program of the user’s stays, however it was started', async () => {
  const folder = project({
    ...files,
    'deaf.js': `process.on('SIGTERM', () => undefined);
setInterval(() => undefined, 1000);
console.log('up');`,
    'umbel.config.json': '{ "dev": { "run": ["a=node deaf.js", "b=sleep 3600 & node deaf.js"] } }',
  });
  const dev = start(folder, ['dev', '--no-beat', '--no-gateway', '--no-dashboard', '--grace', '0']);
  await dev.said(/up/, 2);
  dev.kill('SIGKILL');
  await dev.ended; // the end of the test waits for the end of each process in the folder
});

test('a store of one process is refused', async () => {
  const folder = project({ 'app.js': shop, '.env': 'UMBEL_BROKER_URL=memory://' });
  const { code, stdout } = await start(folder, ['dev']).ended;
  expect(stdout).toMatch(
    /this needs a store that several processes share, and memory:\/\/ belongs to one process/,
  );
  expect(code).toBe(2);
});

test('what cannot be is said before anything starts', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const address = taken.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const folder = project({ 'app.js': shop });
  const refused = async (args: readonly string[], env = {}): Promise<string> => {
    const { code, stdout, stderr } = await umbel(folder, ['dev', ...args], { env });
    expect([code, stdout]).toEqual([2, '']);
    return stderr;
  };
  expect(await refused(['--port', String(port)])).toContain(
    `port ${port} is in use; choose another: --port ${port + 1}`,
  );
  expect(await refused(['--dashboard-port', String(port)])).toContain(
    `choose another: --dashboard-port ${port + 1}`,
  );
  expect(await refused([], { PORT: String(port) })).toContain(`port ${port} is in use`);
  expect(await refused(['--watch-path', './nowhere'])).toContain("there is no folder '");
  expect(await refused(['-l', 'loud'])).toContain('Levels are');
  expect(await refused(['-P', 'fast'])).toContain("there is no pool 'fast'");
  expect(await refused(['--run', 'node server.js'])).toContain('Write NAME=COMMAND');
  expect(await refused(['--run', 'a=x', '--run', 'beat=y'])).toContain("There is a program 'beat' already");
  const { stderr } = await umbel(project({}), ['dev']);
  expect(stderr).toContain('this command needs your application');
});
