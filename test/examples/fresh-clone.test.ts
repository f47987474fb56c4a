// `npm start` on a fresh clone, as a person runs it.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';

/** A compiler and the programs of a hundred packages: for a machine that has much else to do. */
const patientMs = 600_000;

let clone: string;

// The files of the repository as they are, those not committed yet among them; nothing that is built or installed.
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'umbel-clone-'));
  const listed = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const files = listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
  for (const path of files) {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    cpSync(join(root, path), join(clone, path));
  }
  if (isLong) return;
  // What runs the tests has installed and built it by the same commands.
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'), 'dir');
  for (const built of ['dist', 'build']) cpSync(join(root, built), join(clone, built), { recursive: true });
});

afterAll(() => rmSync(clone, { recursive: true, force: true, maxRetries: 3 }));

/** What npm has fetched once it does not ask the registry for again. */
const quick = { npm_config_prefer_offline: 'true' };

interface Demo {
  /** What is on the screen. */
  screen(): string;
  /** Waits for words on the screen, as long as the test may take. */
  shows(words: string): Promise<void>;
  /** Presses Ctrl-C; resolves with the exit code of npm. */
  interrupt(): Promise<number | null>;
}

function npmStart(env: Readonly<Record<string, string>>): Demo {
  // A group of its own: Ctrl-C goes to npm and to all that it has started, as in a terminal.
  const npm = spawn('npm', ['start'], {
    cwd: clone,
    env: { ...process.env, ...quick, ...env },
    detached: true,
  });
  let screen = '';
  let wake = (): void => undefined;
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      wake();
    });
  }
  let hasEnded = false;
  const ended = new Promise<number | null>((resolve) => {
    npm.once('close', (code) => {
      hasEnded = true;
      wake();
      resolve(code);
    });
  });
  const group = npm.pid === undefined ? undefined : -npm.pid;
  onTestFinished(async () => {
    if (npm.exitCode === null && group !== undefined) process.kill(group, 'SIGKILL');
    await ended;
  });
  return {
    screen: () => screen,
    async shows(words) {
      while (!screen.includes(words)) {
        if (hasEnded) throw new Error(`'${words}' is not on the screen:\n${screen}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    interrupt() {
      if (group !== undefined) process.kill(group, 'SIGINT');
      return ended;
    },
  };
}

/** Below those that the system gives out: nobody gets it by chance while the clone is installed. */
async function freePort(): Promise<number> {
  for (let port = 20_000 + (process.pid % 10_000); ; port++) if (await isFree(port)) return port;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

test(
  'a fresh clone installs and builds (in the long run), and shows a first real result; the printed curl works; Ctrl-C ends it',
  async () => {
    const port = await freePort();
    const demo = npmStart({ PORT: String(port) });
    await demo.shows('Ctrl-C stops it.');
    const docs = join(clone, 'docs');
    const words = execFileSync(
      'bash',
      [
        '--norc',
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
    const sent = JSON.parse(execFileSync('bash', ['--norc', '-c', `${curl} --silent`], { encoding: 'utf8' }));
    const result = await fetch(`http://127.0.0.1:${port}/tasks/${sent.id}/result?wait=60`);
    expect(await result.json()).toMatchObject({ status: 'SUCCESS', result: { words: Number(words) } });

    expect(await demo.interrupt()).toBe(0);
    if (!isLong) expect(demo.screen()).not.toContain('Installing');
    expect(demo.screen()).not.toMatch(/error|cold/i);
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  },
  patientMs,
);

needs(test, inLongRun)(
  'the second time nothing is installed, and where nothing else runs it is up within 3 s',
  async () => {
    const port = String(await freePort());
    const first = npmStart({ PORT: port }); // installs, where this case runs alone
    await first.shows('Ctrl-C stops it.');
    expect(await first.interrupt()).toBe(0);
    const timesMs: number[] = [];
    for (let times = 0; times < 5; times++) {
      const begun = Date.now();
      const demo = npmStart({ PORT: port });
      await demo.shows('Ctrl-C stops it.');
      timesMs.push(Date.now() - begun);
      expect(demo.screen()).not.toContain('Installing');
      expect(await demo.interrupt()).toBe(0);
    }
    // Alone it takes about 1.5 s.
    if (isLong) expect(Math.min(...timesMs), `all of ${timesMs.join(', ')} ms`).toBeLessThan(3000);
  },
  patientMs,
);

test('a port that is in use is named before anything is started, with the way out', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const demo = npmStart({ PORT: String(port) });
  await demo.shows(`Port ${port} is in use. Choose another one: PORT=${port + 1} npm start`);
});
