// Whoever hovers over a public name reads what it is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { publicMembers } from './declarations.ts';

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

/** How many public members have no comment. Only ever lower it. */
const ceiling = 0;

test('public names and their members have a comment', () => {
  const { exports }: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [join(root, entry.types)],
  );
  const members = publicMembers(entries);
  const without = members.filter(({ documented }) => !documented).map(({ name }) => name);
  expect(members.length).toBeGreaterThan(1_000);
  expect(without.length, `without a comment: ${without.join(', ')}`).toBeLessThanOrEqual(ceiling);
});
