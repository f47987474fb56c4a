// Everything that must hold: the checks and all tests. `npm test`; arguments go to vitest: `npm test -- test/worker`
// The last line is the sum: `N passed, N failed, N skipped`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from './check.mjs';
import { bin, root, run, setUp } from './setup.mjs';

process.chdir(root);
await setUp();

const chosen = process.argv.slice(2);
// Somebody who names the tests to run wants these and not the checks.
const gates = chosen.length === 0 ? await check() : [];
const tests = await vitest(chosen);

const passed = tests.passed + gates.filter((gate) => gate.passed).length;
const failed = tests.failed + gates.filter((gate) => !gate.passed).length;
for (const gate of gates) if (!gate.passed) console.log(`FAILED  ${gate.name}`);
for (const { title, reason } of tests.skipped) console.log(`skipped  ${title}: ${reason}`);
console.log(`${passed} passed, ${failed} failed, ${tests.skipped.length} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

async function vitest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-test-'));
  try {
    const summary = join(folder, 'summary.json');
    const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts', 'test-summary.mjs')}`];
    const code = await run([process.execPath, bin('vitest', 'vitest'), 'run', ...reporters, ...args], {
      env: { ...process.env, UMBEL_TEST_SUMMARY: summary },
    });
    const found = readSummary(summary);
    // A run that broke off, or an error outside of any test, is a failure that no test counts.
    if (code !== 0 && found.failed === 0) found.failed = 1;
    return found;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readSummary(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  }
}
