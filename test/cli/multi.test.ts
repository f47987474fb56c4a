import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readNodes } from '../../src/cli/multi/nodes.ts';
import { project, shop, umbel, umbelProcess } from './harness.ts';

describe('the workers that are named', () => {
  const read = (line: string) => readNodes(line.split(' '), 'host');

  test('have the options of all, and those that are for them by name or number', () => {
    const nodes = read('images mails 9a -c 2 -Q:images photos --time-limit:2,9a=30 -E --pidfile=run/%n.pid');
    expect(nodes.map(({ args }) => args.join(' '))).toEqual([
      '-n images@host -c 2 -Q photos -E',
      '-n mails@host -c 2 --time-limit 30 -E',
      '-n 9a@host -c 2 --time-limit 30 -E',
    ]);
    expect(nodes[1]).toMatchObject({ name: 'mails@host', pidFile: 'run/mails.pid', logFile: 'mails.log' });
  });

  test('are as many as a number says, and may say their host', () => {
    expect(read('3').map(({ name }) => name)).toEqual(['celery1@host', 'celery2@host', 'celery3@host']);
    expect(read('2 --range-prefix w --suffix there').map(({ name }) => name)).toEqual([
      'w1@there',
      'w2@there',
    ]);
    expect(read('a@eu b').map(({ name, pidFile }) => [name, pidFile])).toEqual([
      ['a@eu', 'a.pid'],
      ['b@host', 'b.pid'],
    ]);
  });

  test('may be ranges of numbers, and what Celery says of itself is not for them', () => {
    const nodes = read('4 -c 2 -c:1-3 10 --nosplash --hostname=there --logfile=log/%n%I.log');
    expect(nodes.map(({ args }) => args.join(' '))).toEqual([
      '-n celery1@there -c 2 -c 10',
      '-n celery2@there -c 2 -c 10',
      '-n celery3@there -c 2 -c 10',
      '-n celery4@there -c 2',
    ]);
    expect(nodes[0]).toMatchObject({ logFile: 'log/celery1.log' });
    expect(() => read('2 -c:3-1 10')).toThrow(/not a range/);
    expect(() => read('2 --cmd celery')).toThrow(/no --cmd here; it starts 'umbel worker'/);
  });

  test('must be there, once each', () => {
    expect(() => readNodes([])).toThrow(/name the workers/);
    expect(() => read('a a')).toThrow(/named twice/);
    expect(() => read('a b -Q:c x')).toThrow(/for 'c', and there is no such worker; there are a, b/);
  });
});

describe('multi', () => {
  test('tells the options of one, and what a name stands for', async () => {
    const multi = async (line: string) => (await umbel('.', ['multi', ...line.split(' ')])).stdout;
    expect(await multi('get mails images@eu mails@eu -c 2 -c:mails 4')).toBe('-n mails@eu -c 2 -c 4\n');
    expect(await multi('expand run/%n.pid images@eu mails@eu')).toBe('run/images.pid\nrun/mails.pid\n');
  });

  test('starts workers in the background, knows them, restarts them, and stops them when they are done', async () => {
    const folder = project({ 'app.js': shop });
    const multi = (line: string) => umbel(folder, ['-A', './app.js', 'multi', ...line.split(' ')]);
    const files = '--pidfile=run/%n.pid --logfile=log/%n.log';
    onTestFinished(() => multi(`kill a b ${files}`).then(() => undefined));
    expect(await multi(`start a b -l info ${files}`)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/a@.*started[\s\S]*b@.*started/),
    });
    expect(await multi(`start a ${files}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/runs already/),
    });
    expect(
      (await umbel(folder, ['-A', './app.js', 'call', 'shop.add', '-a', '[1, 2]', '--wait', '60'])).stdout,
    ).toBe('3\n');
    const pid = readFileSync(join(folder, 'run/a.pid'), 'utf8');
    expect((await multi(`restart a -l info ${files}`)).code).toBe(0);
    expect(readFileSync(join(folder, 'run/a.pid'), 'utf8')).not.toBe(pid);
    expect((await multi(`stopwait a b ${files}`)).stdout).toMatch(/a@.*stopped[\s\S]*b@.*stopped/);
    expect([existsSync(join(folder, 'run/a.pid')), existsSync(join(folder, 'log/b.log'))]).toEqual([
      false,
      true,
    ]);
    expect((await multi(`status a ${files}`)).code).toBe(1);
  });

  test('sends no signal to a program that has the number of a worker by now', async () => {
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    onTestFinished(() => void stranger.kill('SIGKILL'));
    const folder = project({ 'a.pid': `${stranger.pid}\n` });
    expect((await umbel(folder, ['multi', 'stop', 'a'])).stdout).toMatch(/^a@.*: does not run\n$/);
    expect(stranger.signalCode).toBeNull();
  });

  test('writes no log through a symbolic link, and lets nobody else read one', async () => {
    const folder = project({ 'app.js': 'export const app = 1;', victim: 'precious' });
    symlinkSync('victim', join(folder, 'a.log'));
    const start = (name: string) => umbel(folder, ['-A', './app.js', 'multi', 'start', name]);
    expect(await start('a')).toMatchObject({ code: 1, stderr: expect.stringContaining('[UMBEL_LOG_FILE]') });
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('precious');
    await start('b');
    expect(statSync(join(folder, 'b.log')).mode & 0o137).toBe(0);
  });

  test('says why a worker did not start', async () => {
    const folder = project({ 'app.js': 'export const app = 1;' });
    expect(await umbelProcess(folder, ['-A', './app.js', 'multi', 'start', 'a'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/did not start: it ended at once with exit code 1: umbel: /),
    });
    expect(existsSync(join(folder, 'a.pid'))).toBe(false);
  });
});
