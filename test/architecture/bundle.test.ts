// What the bundler must not change.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

test('an error class keeps its name, which people and Python see', async () => {
  const rooms = join(root, 'build', 'rooms');
  const wrong: string[] = [];
  let errors = 0;
  for (const file of readdirSync(rooms).filter((name) => name.endsWith('.js'))) {
    const all: Record<string, unknown> = await import(pathToFileURL(join(rooms, file)).href);
    for (const [alias, value] of Object.entries(all)) {
      if (typeof value !== 'function' || !(value.prototype instanceof Error)) continue;
      errors++;
      if (!alias.endsWith(`_${value.name}`)) wrong.push(`${alias} is called ${value.name}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(errors).toBeGreaterThan(30);
});
