// The long proofs: what the default run tries once is tried many times, with a seed of its own, and what is judged by the clock is
// judged. About an hour; parts can be run alone: `npm run test:long -- e2e workflows`. Parts: the folders of test/.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runTests } from './run-tests.mjs';
import { fail, root, setUp } from './setup.mjs';

const parts = readdirSync(join(root, 'test'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const chosen = process.argv.slice(2);
for (const part of chosen)
  if (!parts.includes(part.split('/')[0])) fail(`there is no part '${part}'; there are ${parts.join(', ')}`);

process.chdir(root);
await setUp();
const seed = process.env.UMBEL_SEED ?? String(1 + Math.floor(Math.random() * 1_000_000));
console.log(`UMBEL_SEED=${seed}`);
const files = chosen.map((part) => `test/${part}`);
const found = await runTests(files, { UMBEL_LONG: '1', UMBEL_SEED: seed });
for (const { title, reason } of found.skipped) console.log(`skipped  ${title}: ${reason}`);
for (const { file, test, message } of [...found.failures, ...found.flaky])
  console.log(`FAILED  ${[file ?? 'the run', test].filter(Boolean).join(' > ')}: ${message}`);
// A proof that passes when it is tried again has still failed once.
const failed = found.failures.length + found.flaky.length;
console.log(`UMBEL_SEED=${seed}`);
console.log(`${found.passed - found.flaky.length} passed, ${failed} failed, ${found.skipped.length} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
