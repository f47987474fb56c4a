// Whether the tests are ever red by chance: `npm run test:repeat -- alone|busy|slow-disk N` runs all of them N times and adds a line
// for each run to test/repeats.md. busy: two other processes that compute all the time. slow-disk: every fsync takes 20 ms more.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, root, setUp } from './setup.mjs';
import { test } from './test.mjs';

const table = join(root, 'test', 'repeats.md');
const [kind = '', times = '1'] = process.argv.slice(2);
if (!['alone', 'busy', 'slow-disk'].includes(kind) || !(Number(times) > 0))
  fail('usage: npm run test:repeat -- alone|busy|slow-disk N');

process.chdir(root);
await setUp();
const folder = mkdtempSync(join(tmpdir(), 'umbel-repeat-'));
const hogs = kind === 'busy' ? [hog(), hog()] : [];
try {
  const environment = kind === 'slow-disk' ? { LD_PRELOAD: slowDisk() } : {};
  for (let round = 0; round < Number(times); round++) {
    const { passed, failed, skipped, flaky, failures, seconds } = await test([], environment);
    const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim();
    const day = new Date().toISOString().slice(0, 10);
    const red = [...failures, ...flaky.map((title) => `flaky: ${title}`)].join('; ').replaceAll('|', '/');
    if (!existsSync(table))
      writeFileSync(
        table,
        '# Runs of all tests, one after the other\n\n| commit | day | machine | seconds | passed | failed | skipped | flaky | which |\n|---|---|---|---|---|---|---|---|---|\n',
      );
    appendFileSync(
      table,
      `| ${commit} | ${day} | ${kind} | ${seconds} | ${passed} | ${failed} | ${skipped} | ${flaky.length} | ${red} |\n`,
    );
    if (failed > 0) process.exitCode = 1;
  }
} finally {
  for (const each of hogs) each.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

function hog() {
  return spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
}

/** A library for LD_PRELOAD that delays what writes to the disk for good. */
function slowDisk() {
  const source = join(folder, 'slow.c');
  const library = join(folder, 'slow.so');
  writeFileSync(
    source,
    `#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
static int slow(const char *name, int fd) {
  int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
  usleep(20000);
  return real(fd);
}
int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
`,
  );
  const made = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { encoding: 'utf8' });
  if (made.status !== 0) fail(`slow-disk needs a C compiler (cc): ${made.stderr ?? made.error}`);
  return library;
}
