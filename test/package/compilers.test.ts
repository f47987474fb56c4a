// Projects that compile against the package: the oldest way to find modules, and the newest. The whole matrix: compilers.long.test.ts.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bin } from '../../scripts/setup.mjs';
import { needs } from '../needs.ts';
import { inLongRun } from '../run/scale.ts';
import { compile, typescript56 } from './compile.ts';
import { entries, packedProject } from './packed.ts';

const { folder, remove } = packedProject();
afterAll(remove);

/** What a program prints. */
function output(...args: readonly string[]): string {
  return execFileSync(process.execPath, [...args], { cwd: folder, encoding: 'utf8' });
}

needs(test, inLongRun)('a CommonJS project that looks for modules as node10 does compiles and runs', () => {
  const setup = { tsc: typescript56, module: 'commonjs', moduleResolution: 'node10', esm: false };
  expect(compile(folder, setup)).toBe('');
  expect(output(join(folder, 'main.js'))).toBe('6\n');
});

test('so does one of ES modules with the newest compiler', () => {
  const setup = {
    tsc: bin('typescript', 'tsc'),
    module: 'nodenext',
    moduleResolution: 'nodenext',
    esm: true,
  };
  expect(compile(folder, setup)).toBe('');
  expect(output(join(folder, 'main.js'))).toBe('6\n');
});

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
