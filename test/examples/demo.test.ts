// The demo application as a person runs it: a worker and a sender, each a process of its own. Default run: a job and a failure; long run: all that
// its tasks do.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'umbel/worker';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { command, Program } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { until } from '../until.ts';

const long = needs(test, inLongRun);
const path = join(root, 'examples/text-statistics/app.ts');

/** What all of these tests have in common: a folder to run in, with its own store, and the worker there. */
let cwd: string;
let worker: DemoWorker;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'umbel-demo-'));
  worker = new DemoWorker(cwd);
  await worker.says(/ready/);
});
afterAll(async () => {
  await worker?.stop('SIGKILL');
  rmSync(cwd, { recursive: true, force: true, maxRetries: 3 });
});

class DemoWorker {
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
  said = '';

  constructor(folder: string) {
    const child = spawn(process.execPath, [command, '-A', path, 'worker', '--log-format', 'json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.said += text;
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.stop = (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    };
  }

  /** Waits until it has said this so often. */
  async says(pattern: RegExp, times = 1): Promise<void> {
    const said = new RegExp(pattern, 'g');
    await until(
      () => (this.said.match(said)?.length ?? 0) >= times,
      () => `${pattern}; the worker said:\n${this.said}`,
    );
  }
}

/** The application, sending to the same store. */
async function sender(): Promise<typeof import('../../examples/text-statistics/app.ts')> {
  process.env.UMBEL_BROKER_URL = `sqlite://${join(cwd, '.umbel/store.db')}`;
  onTestFinished(() => void delete process.env.UMBEL_BROKER_URL);
  const demo = await import('../../examples/text-statistics/app.ts');
  close ??= () => demo.app.close();
  return demo;
}
let close: (() => Promise<void>) | undefined;
afterAll(() => close?.());

/** Runs `umbel` with the application. */
function umbel(...args: string[]): Program['ended'] {
  return new Program([command, '-A', path, ...args], cwd).ended;
}

/** Runs a TypeScript program in a folder that has no node_modules. */
function script(name: string, ...args: string[]): Program {
  return new Program(['--import', import.meta.resolve('tsx'), join(root, 'examples', name), ...args], cwd);
}

test('the smallest example, a worker and a sender in one process, prints what it should', async () => {
  const ended = await script('hello/main.ts').ended;
  expect(ended).toMatchObject({ code: 0, stdout: '2 + 3 = 5\nHello, Ada!\n', stderr: '' });
});

test('main.ts sends a job and shows the numbers that a person counts', async () => {
  const { code, stdout } = await script('text-statistics/main.ts', join(root, 'test/examples/texts')).ended;
  expect(stdout).toMatch(/^sent text\.folder_statistics for '.*': [0-9a-f-]{36}\n/);
  expect(stdout).toContain('3 files: 58 words in 14 sentences on 18 lines\n');
  expect(stdout).toContain('most frequent: rose 5, umbel 3, flower 2,');
  expect(code).toBe(0);
});

long(
  'a document from an unreliable source is counted after the outages, with one retry for each',
  async () => {
    const file = join(root, 'test/examples/texts/poem.txt');
    const kwargs = JSON.stringify({ file, outages: 2 });
    const called = await umbel('call', 'text.document_statistics', '--json', '--wait', '60', '-k', kwargs);
    expect(called.stdout, called.stderr).not.toBe('');
    const { result } = JSON.parse(called.stdout);
    expect(result).toMatchObject({ words: 14, sentences: 3, attempts: 3 });
    expect(Number(execFileSync('wc', ['-w', file], { encoding: 'utf8' }).split(' ')[0])).toBe(result.words);
    await worker.says(/retry: Retry in/, 2);
  },
);

test('a document that is not there fails at once, with the reason', async () => {
  const { documentStatistics } = await sender();
  const counting = await documentStatistics.delay({ file: 'no-such-file.txt', outages: 0 });
  await expect(counting.get({ timeout: 60 })).rejects.toThrow('no-such-file.txt');
  expect(await counting.status()).toBe('FAILURE');
});

long('the positional tasks count a text', async () => {
  const { frequentTerms, wordCount } = await sender();
  const words = await wordCount.delay('to be or not to be');
  expect(await words.get({ timeout: 60 })).toBe(6);
  const terms = await frequentTerms.delay('a rose is a rose, a lily is not', 1);
  expect(await terms.get({ timeout: 60 })).toEqual([{ term: 'rose', count: 2 }]);
});

long('a folder that does not fit the schema is refused at the caller', async () => {
  const ended = await umbel('call', 'text.folder_statistics', '-k', '{"top": 0}');
  expect(ended.stderr).toContain('$.top');
  expect(ended.code).toBe(1);
});

long('the heartbeat counts on after a restart, and logs its count with the id of the task', async () => {
  const { heartbeat } = await sender();
  for (const count of [1, 2]) expect(await (await heartbeat.delay()).get({ timeout: 60 })).toBe(count);
  await worker.stop();
  worker = new DemoWorker(cwd);
  await worker.says(/ready/);
  const beat = await heartbeat.delay();
  expect(await beat.get({ timeout: 60 })).toBe(3);
  await worker.says(/"msg":"heartbeat"/);
  const line = worker.said.split('\n').find((text) => text.includes('"heartbeat"')) ?? '';
  expect(JSON.parse(line)).toMatchObject({ count: 3, task_id: beat.id, task_name: 'maintenance.heartbeat' });
  expect(readFileSync(join(cwd, '.umbel/heartbeats'), 'utf8')).toBe('...');
});

long('main.ts shows the progress while the job runs', async () => {
  await worker.stop();
  const many = join(cwd, 'many');
  mkdirSync(many);
  for (let n = 1; n <= 5; n++) writeFileSync(join(many, `${n}.txt`), 'one word less\n');
  // A worker in this process goes on when what it has told so far was shown.
  const { app } = await sender();
  const main = script('text-statistics/main.ts', many);
  const backend = await app.backend();
  const put = backend?.put.bind(backend);
  if (!backend || !put) throw new Error('the application keeps results');
  vi.spyOn(backend, 'put').mockImplementation(async (record) => {
    await put(record);
    if (record.status !== 'PROGRESS') return;
    const { done } = record.result as { done: number }; // as the task says it
    await main.said(new RegExp(`^ {2}${done}/5 `, 'm'));
  });
  await using here = new Worker(app);
  await here.start();
  const { stdout } = await main.ended;
  const seen = [...stdout.matchAll(/^ {2}(\d)\/5 .*(\d)\.txt$/gm)].map(([, done, file]) => [done, file]);
  expect(seen).toEqual(['1', '2', '3', '4', '5'].map((n) => [n, n]));
  expect(stdout).toContain('5 files: 15 words in 5 sentences on 5 lines\n');
});
