// What runs the tests, tried on small projects with faults that were planted.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { until } from '../until.ts';

interface Found {
  readonly passed: number;
  readonly failures: readonly {
    readonly file: string | null;
    readonly test: string | null;
    readonly message: string;
  }[];
  readonly flaky: Found['failures'];
  readonly skipped: readonly { readonly title: string; readonly reason: string }[];
}

/** Runs these files as the tests of a project, in a process of its own. */
function found(files: Readonly<Record<string, string>>): Found {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-run-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    'export default { test: { globals: true, maxWorkers: 1 } };',
  );
  const options = ['--root', folder];
  const program = `
    import { writeFileSync } from 'node:fs';
    import { runTests } from ${JSON.stringify(join(root, 'scripts', 'run-tests.mjs'))};
    const found = await runTests([], {}, ${JSON.stringify(options)});
    writeFileSync(${JSON.stringify(join(folder, 'found.json'))}, JSON.stringify(found));`;
  execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, stdio: 'pipe' });
  return JSON.parse(readFileSync(join(folder, 'found.json'), 'utf8'));
}

const oncePassing = (folder: string): string => `
  const { existsSync, writeFileSync } = await import('node:fs');
  test('passes the second time (here > or there)', () => {
    if (existsSync(${JSON.stringify(folder)} + '/tried')) return;
    writeFileSync(${JSON.stringify(folder)} + '/tried', '');
    throw new Error('not yet');
  });
  test('passes', () => {});`;

test('a case with real processes that passes when it is tried again is flaky; a unit case is tried once', () => {
  const marks = mkdtempSync(join(tmpdir(), 'umbel-marks-'));
  onTestFinished(() => rmSync(marks, { recursive: true }));
  for (const kind of ['unit', 'conformance']) mkdirSync(join(marks, kind));
  const child = "import 'node:child_process';";
  const { passed, failures, flaky } = found({
    'test/lib/some.test.js': oncePassing(join(marks, 'unit')),
    'test/cli/some.test.js': child + oncePassing(marks),
    'test/conformance/some.test.js': child + oncePassing(join(marks, 'conformance')),
    'test/interop/other.test.js': "test('never passes', () => { throw new Error('for good'); });",
  });
  const notYet = expect.stringMatching(/^not yet\nat test.*:\d+$/);
  const title = 'passes the second time (here > or there)';
  // Files are run in whatever order.
  const inOrder = (all: Found['failures']) =>
    [...all].sort((a, b) => String(a.file).localeCompare(String(b.file)));
  expect(inOrder(flaky)).toEqual([
    {
      file: 'test/cli/some.test.js',
      test: title,
      message: notYet,
    },
  ]);
  expect(inOrder(failures)).toEqual([
    {
      file: 'test/conformance/some.test.js',
      test: title,
      message: notYet,
    },
    {
      file: 'test/interop/other.test.js',
      test: 'never passes',
      message: 'for good\nat test/interop/other.test.js:1',
    },
    {
      file: 'test/lib/some.test.js',
      test: title,
      message: notYet,
    },
  ]);
  expect(passed).toBe(4);
});

test('processes and files that a run leaves behind fail it, and are removed', async () => {
  const { failures } = found({
    'test/some.test.js': `
      import { spawn } from 'node:child_process';
      import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
      import { tmpdir } from 'node:os';
      import { join } from 'node:path';
      test('leaves much', () => {
        writeFileSync(join(mkdtempSync(tmpdir() + '/rubbish-'), 'whose.txt'), '');
        writeFileSync(join(import.meta.dirname, '../rubbish.txt'), '');
        mkdirSync(join(import.meta.dirname, '../.umbel/programs-1'), { recursive: true });
        writeFileSync(join(import.meta.dirname, '../.umbel/history.db'), '');
        spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600_000)'], { detached: true, stdio: 'ignore' }).unref();
      });`,
  });
  const messages = failures.map(({ message }) => message);
  expect(messages).toEqual([
    expect.stringMatching(/^process \d+ was left running: .*600_000/),
    expect.stringMatching(/^left in the folder for temporary files: rubbish-\w+ \(in it: whose\.txt\)$/),
    'left in the folder of the project: rubbish.txt',
    'left in the folder of the project: .umbel/history.db',
  ]);
  const pid = Number(/\d+/.exec(messages[0] ?? '')?.[0]);
  // Where nobody asks for its exit code, an ended process stays on as an entry without a command.
  await until(() => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '');
});

test('a run that skips says why, for a file that cannot be loaded and a broken run it fails', () => {
  const needs = `import { needs } from ${JSON.stringify(join(root, 'test', 'needs.ts'))};`;
  const { skipped, failures } = found({
    'test/skips.test.js': `${needs}
      needs(describe, 'no such server')('a group', () => { describe('inside', () => { test('a', () => {}); }); });
      needs(test, 'no such program')('b', () => {});
      test('c', ({ skip }) => skip('not here'));
      test.skip('d', () => {});`,
    'test/broken.test.js': "throw new Error('cannot be loaded');",
  });
  // All of one file, whose order is its own.
  expect(skipped.map(({ title, reason }) => [title.split(' > ').at(-1), reason])).toEqual([
    ['a', 'no such server'],
    ['b', 'no such program'],
    ['c', 'not here'],
    ['d', 'no reason given'],
  ]);
  expect(failures).toEqual([
    { file: 'test/broken.test.js', test: null, message: 'cannot be loaded\nat test/broken.test.js:1' },
  ]);
});
