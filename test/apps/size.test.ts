// The applications are to be read: each server is below 1,500 lines, and its pages below 2,000.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

const linesOf = (...folders: readonly string[]): number =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, 'examples', folder), { recursive: true, withFileTypes: true }),
    )
    .filter((entry) => entry.isFile() && /\.(?:tsx?|css)$/.test(entry.name))
    .reduce(
      (sum, { parentPath, name }) =>
        sum + (readFileSync(join(parentPath, name), 'utf8').match(/\n/g)?.length ?? 0),
      0,
    );

test.each([
  ['service', ['service/src'], []],
  ['comparison', ['comparison/server', 'comparison/ways'], ['comparison/web']],
  ['task-tracker', ['task-tracker/server'], ['task-tracker/web']],
])('%s is short enough to be read', (_, server, pages) => {
  expect(linesOf(...server)).toBeLessThan(1500);
  expect(linesOf(...pages)).toBeLessThan(2000);
});
