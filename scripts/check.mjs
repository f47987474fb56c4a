// The one gate besides the tests: types, style, and the package as it would be published. `npm run check`
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin, npm, root, run, setUp } from './setup.mjs';

/** Runs every check, all of them even if one fails; resolves with their names and whether they passed. */
export async function check() {
  const results = [];
  for (const [name, runIt] of checks) {
    console.log(`\n── ${name}`);
    results.push({ name, passed: (await runIt()) === 0 });
  }
  return results;
}

const node = (packageName, command, ...args) => run([process.execPath, bin(packageName, command), ...args]);

const checks = [
  ['types (tsc)', () => node('typescript', 'tsc', '--noEmit', '-p', 'tsconfig.json')],
  ['style (biome)', () => node('@biomejs/biome', 'biome', 'check', '--error-on-warnings', '.')],
  [
    'package (publint)',
    () => withTarball((tarball) => node('publint', 'publint', 'run', tarball, '--strict')),
  ],
  [
    "package's types (are the types wrong)",
    () => withTarball((tarball) => node('@arethetypeswrong/cli', 'attw', tarball, '--profile', 'esm-only')),
  ],
];

/** Packs the package as npm would publish it, for the time of the check. */
async function withTarball(use) {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-pack-'));
  try {
    const code = await run([...npm(), 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder]);
    if (code !== 0) return code;
    return await use(join(folder, readdirSync(folder)[0]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.chdir(root);
  await setUp();
  const results = await check();
  console.log(
    `\n${results.map(({ name, passed }) => `${passed ? 'passed' : 'FAILED'}  ${name}`).join('\n')}`,
  );
  process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
}
