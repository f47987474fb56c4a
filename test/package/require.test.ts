// A CommonJS project with the package. Compilers: scripts/check.mjs has the newest, matrix.long.test.ts all of them.
import { execFileSync } from 'node:child_process';
import { afterAll, expect, test } from 'vitest';
import { entries, packedProject } from './packed.ts';

const { folder, remove } = packedProject();
afterAll(remove);

/** What a program prints. */
function output(...args: readonly string[]): string {
  return execFileSync(process.execPath, [...args], { cwd: folder, encoding: 'utf8' });
}

test('require() gives every entry point, with the names that import gives', () => {
  const program = `
    const entries = ${JSON.stringify(entries.filter((entry) => entry !== 'umbel/otel'))};
    const namesOf = (module) => Object.keys(module).filter((name) => name !== '__esModule').sort().join();
    (async () => {
      for (const entry of entries)
        if (namesOf(require(entry)) !== namesOf(await import(entry))) console.log(entry);
      console.log('compared', entries.length);
    })();`;
  expect(output('--input-type=commonjs', '-e', program)).toBe(`compared ${entries.length - 1}\n`);
});
