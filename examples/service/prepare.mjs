// Only in a clone of Umbel: builds it where that was not done, and links `umbel` to it. The libraries are found in the clone's own
// node_modules, two folders up. A project that `umbel init` wrote has no such file: it has `npm install`.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, setUp } from '../../scripts/setup.mjs';

const link = join(import.meta.dirname, 'node_modules', 'umbel');

export async function prepare() {
  const isBuilt = existsSync(join(root, 'dist', 'cli', 'main.js')) && existsSync(join(root, 'node_modules'));
  if (!isBuilt) await setUp();
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  try {
    symlinkSync(root, link, 'junction');
  } catch (error) {
    if (error.code !== 'EEXIST') throw error; // another process was first
  }
}

await prepare();
