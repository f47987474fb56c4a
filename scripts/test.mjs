// Everything that must hold: the checks and all tests. `npm test`; arguments go to vitest: `npm test -- test/worker`
// The last line is the sum: `N passed, N failed, N skipped`.
import { fileURLToPath } from 'node:url';
import { check } from './check.mjs';
import { runTests } from './run-tests.mjs';
import { root, setUp } from './setup.mjs';

/** How many lines of a failure are shown. */
const maxLines = 30;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.chdir(root);
  await setUp();
  const { failed } = await test(process.argv.slice(2));
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Runs the checks, unless tests are chosen, and the tests; prints and resolves with the sum. */
export async function test(chosen, environment = {}) {
  const startedAt = Date.now();
  // Somebody who names the tests to run wants these and not the checks.
  const gates = chosen.length === 0 ? await check() : [];
  const tests = await runTests(chosen, environment);
  for (const { title, reason } of tests.skipped) console.log(`skipped  ${title}: ${reason}`);
  for (const gate of gates) if (!gate.passed) console.log(`FAILED  ${gate.name}`);
  for (const failure of tests.failures) console.log(`FAILED  ${titleOf(failure)}: ${textOf(failure)}`);
  for (const failure of tests.flaky)
    console.log(
      `flaky  ${titleOf(failure)}: ${failure.file === null ? 'all cases had passed' : 'failed at first, then passed alone'}: ${textOf(failure)}`,
    );
  if (tests.flaky.length > 0) console.log('Add what is flaky to test/flaky.md, with its cause.');
  const sum = {
    passed: tests.passed + gates.filter((gate) => gate.passed).length,
    failed: tests.failures.length + gates.filter((gate) => !gate.passed).length,
    skipped: tests.skipped.length,
    flaky: tests.flaky.map(titleOf),
    failures: [
      ...gates.filter((gate) => !gate.passed).map(({ name }) => name),
      ...tests.failures.map(titleOf),
    ],
    seconds: Math.round((Date.now() - startedAt) / 1000),
  };
  console.log(`${Math.floor(sum.seconds / 60)} min ${sum.seconds % 60} s`);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum;
}

function titleOf({ file, test }) {
  return [file ?? 'the run', test].filter(Boolean).join(' > ');
}

function textOf({ message }) {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const shown = lines.length > maxLines ? [...lines.slice(0, maxLines - 4), '…', ...lines.slice(-3)] : lines;
  return shown.join('\n    ');
}
