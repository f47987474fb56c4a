// The demo application as a person runs it: a worker and a sender, each a process of its own.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { command, Program } from '../cli/harness.ts';
import { root } from '../e2e/harness/built.ts';

const app = join(root, 'examples/text-statistics/app.ts');

/** An empty folder to run in, so that the store is its own. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'umbel-demo-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}

async function worker(cwd: string): Promise<Program> {
  const program = new Program([command, '-A', app, 'worker', '--log-format', 'json'], cwd);
  await program.said(/ready/);
  return program;
}

async function call(cwd: string, name: string, ...args: string[]) {
  const ended = await new Program([command, '-A', app, 'call', name, '--json', '--wait', '15', ...args], cwd)
    .ended;
  expect(ended.stdout, ended.stderr).not.toBe('');
  return JSON.parse(ended.stdout);
}

/** Runs a TypeScript program in a folder that has no node_modules. */
function script(cwd: string, path: string, ...args: string[]): Program {
  return new Program(['--import', import.meta.resolve('tsx'), join(root, path), ...args], cwd);
}

test('the smallest example, a worker and a sender in one process, prints what it should', async () => {
  const ended = await script(folder(), 'examples/hello/main.ts').ended;
  expect(ended).toMatchObject({ code: 0, stdout: '2 + 3 = 5\nHello, Ada!\n', stderr: '' });
});

test('main.ts sends a job and shows the numbers that a person counts', async () => {
  const cwd = folder();
  await worker(cwd);
  const { code, stdout } = await script(
    cwd,
    'examples/text-statistics/main.ts',
    join(root, 'test/examples/texts'),
  ).ended;
  expect(stdout).toMatch(/^sent text\.folder_statistics for '.*': [0-9a-f-]{36}\n/);
  expect(stdout).toContain('3 files: 58 words in 14 sentences on 18 lines\n');
  expect(stdout).toContain('most frequent: rose 5, umbel 3, flower 2,');
  expect(code).toBe(0);
});

test('main.ts shows the progress while the job runs', async () => {
  const cwd = folder();
  await worker(cwd);
  // Each file is a commit on disk: long enough that some of the progress is seen.
  mkdirSync(join(cwd, 'many'));
  for (let n = 1; n <= 300; n++) writeFileSync(join(cwd, 'many', `${n}.txt`), 'one word less\n');
  const { stdout } = await script(cwd, 'examples/text-statistics/main.ts', 'many').ended;
  const seen = [...stdout.matchAll(/^ {2}(\d+)\/300 many/gm)].map((match) => Number(match[1]));
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(stdout).toContain('300 files: 900 words in 300 sentences on 300 lines\n');
});

test('a document from an unreliable source is counted after the outages, with one retry for each', async () => {
  const cwd = folder();
  const running = await worker(cwd);
  const file = join(root, 'test/examples/texts/poem.txt');
  const { result } = await call(cwd, 'text.document_statistics', '-k', JSON.stringify({ file, outages: 2 }));
  expect(result).toMatchObject({ words: 14, sentences: 3, attempts: 3 });
  expect(Number(execFileSync('wc', ['-w', file], { encoding: 'utf8' }).split(' ')[0])).toBe(result.words);
  await running.said(/retry: Retry in/, 2);
});

test('a document that is not there fails at once, with the reason', async () => {
  const cwd = folder();
  await worker(cwd);
  const { state, error } = await call(
    cwd,
    'text.document_statistics',
    '-k',
    '{"file": "no-such-file.txt", "outages": 0}',
  );
  expect(state).toBe('FAILURE');
  expect(error.message).toContain('no-such-file.txt');
});

test('the positional tasks count a text', async () => {
  const cwd = folder();
  await worker(cwd);
  expect((await call(cwd, 'text.word_count', '-a', '["to be or not to be"]')).result).toBe(6);
  const terms = await call(cwd, 'text.frequent_terms', '-a', '["a rose is a rose, a lily is not", 1]');
  expect(terms.result).toEqual([{ term: 'rose', count: 2 }]);
});

test('the heartbeat counts on after a restart, and logs its count with the id of the task', async () => {
  const cwd = folder();
  const first = await worker(cwd);
  expect((await call(cwd, 'maintenance.heartbeat')).result).toBe(1);
  expect((await call(cwd, 'maintenance.heartbeat')).result).toBe(2);
  first.kill('SIGTERM');
  await first.ended;
  const second = await worker(cwd);
  const { id, result } = await call(cwd, 'maintenance.heartbeat');
  expect(result).toBe(3);
  await second.said(/"msg":"heartbeat"/);
  const line = second.stderr.split('\n').find((text) => text.includes('"heartbeat"')) ?? '';
  expect(JSON.parse(line)).toMatchObject({ count: 3, task_id: id, task_name: 'maintenance.heartbeat' });
  expect(readFileSync(join(cwd, '.umbel/heartbeats'), 'utf8')).toBe('...');
});

test('a folder that does not fit the schema is refused at the caller', async () => {
  const cwd = folder();
  const ended = await new Program(
    [command, '-A', app, 'call', 'text.folder_statistics', '-k', '{"top": 0}'],
    cwd,
  ).ended;
  expect(ended.stderr).toContain('$.top');
  expect(ended.code).toBe(1);
});
