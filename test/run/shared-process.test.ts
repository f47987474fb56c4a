// Files that share a process load the modules that they share once: what such a module registers when it is loaded is of the first file
// alone.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

const hooks = /^(?:before|after)(?:Each|All)\(/m;

test('no module beside the test files registers hooks when it is loaded; onTestFinished() is of the test that calls it', () => {
  expect(hooks.test('import x;\nafterEach(() => {});')).toBe(true);
  const helpers = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== join('run', 'setup.ts'),
  );
  expect(helpers.length).toBeGreaterThan(50);
  expect(helpers.filter((name) => hooks.test(readFileSync(join(root, 'test', name), 'utf8')))).toEqual([]);
});
