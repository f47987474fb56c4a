// `npm start` on a fresh clone, as a person runs it.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

let clone: string;

// The files of the repository as they are, those not committed yet among them; nothing that is built or installed.
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'umbel-clone-'));
  const listed = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const path of listed.split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    cpSync(join(root, path), join(clone, path));
  }
});

afterAll(() => rmSync(clone, { recursive: true, force: true, maxRetries: 3 }));

interface Demo {
  /** What is on the screen. */
  screen(): string;
  /** Waits for words on the screen. */
  shows(words: string, withinMs: number): Promise<void>;
  /** Presses Ctrl-C; resolves with the exit code of npm. */
  interrupt(): Promise<number | null>;
}

function npmStart(env: Readonly<Record<string, string>>): Demo {
  // A group of its own: Ctrl-C goes to npm and to all that it has started, as in a terminal.
  const npm = spawn('npm', ['start'], { cwd: clone, env: { ...process.env, ...env }, detached: true });
  let screen = '';
  let wake = (): void => undefined;
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      wake();
    });
  }
  const ended = new Promise<number | null>((resolve) => npm.once('close', resolve));
  const group = npm.pid === undefined ? undefined : -npm.pid;
  onTestFinished(async () => {
    if (npm.exitCode === null && group !== undefined) process.kill(group, 'SIGKILL');
    await ended;
  });
  return {
    screen: () => screen,
    async shows(words, withinMs) {
      const deadline = Date.now() + withinMs;
      while (!screen.includes(words)) {
        const isOver = npm.exitCode !== null || Date.now() > deadline;
        if (isOver) throw new Error(`'${words}' is not on the screen:\n${screen}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 200);
        });
      }
    },
    interrupt() {
      if (group !== undefined) process.kill(group, 'SIGINT');
      return ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

test('a fresh clone installs, builds, and shows a first real result; the printed curl works; Ctrl-C ends it', async () => {
  const port = await freePort();
  const demo = npmStart({ PORT: String(port) });
  await demo.shows('Ctrl-C stops it.', 240_000);
  const docs = join(clone, 'docs');
  const words = execFileSync(
    'bash',
    [
      '-c',
      String.raw`find "$1" \( -name '*.md' -o -name '*.txt' \) -print0 |
    xargs -0 grep -ohP "[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*" | wc -l`,
      'bash',
      docs,
    ],
    {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
    },
  ).trim();
  expect(demo.screen()).toMatch(new RegExp(`^Done: \\d+ files, ${words} words, \\d+ sentences$`, 'm'));
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${port}/docs`)).status).toBe(200);

  const curl = /^ {2}(curl .*)$/m.exec(demo.screen())?.[1] ?? '';
  const sent = JSON.parse(execFileSync('bash', ['-c', `${curl} --silent`], { encoding: 'utf8' }));
  const result = await fetch(`http://127.0.0.1:${port}/tasks/${sent.id}/result?wait=20`);
  expect(await result.json()).toMatchObject({ status: 'SUCCESS', result: { words: Number(words) } });

  expect(await demo.interrupt()).toBe(0);
  expect(demo.screen()).not.toMatch(/error|cold/i);
  await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
}, 300_000);

test('the second time nothing is installed, and it is up within 3 s', async () => {
  const port = String(await freePort());
  const timesMs: number[] = [];
  // Alone it takes about 1.5 s. Other tests run beside this one: the best of five, and only then a failure.
  while (timesMs.length < 5 && Math.min(...timesMs, Number.POSITIVE_INFINITY) > 3000) {
    const begun = Date.now();
    const demo = npmStart({ PORT: port });
    await demo.shows('Ctrl-C stops it.', 30_000);
    timesMs.push(Date.now() - begun);
    expect(demo.screen()).not.toContain('Installing');
    expect(await demo.interrupt()).toBe(0);
  }
  expect(Math.min(...timesMs), `all of ${timesMs.join(', ')} ms`).toBeLessThan(3000);
}, 120_000);

test('a port that is in use is named before anything is started, with the way out', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const demo = npmStart({ PORT: String(port) });
  await demo.shows(`Port ${port} is in use. Choose another one: PORT=${port + 1} npm start`, 20_000);
}, 30_000);
