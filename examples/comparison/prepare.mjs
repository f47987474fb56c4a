// Makes the imports work. In a clone of Umbel nothing is installed here: Node finds the libraries in the clone's own node_modules,
// two folders up, and `umbel` is a link to the clone. Elsewhere: `npm install`.
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));
const clone = join(here, '..', '..');
const link = join(here, 'node_modules', 'umbel');

export async function prepare() {
  const setup = join(clone, 'scripts', 'setup.mjs');
  if (!existsSync(setup)) {
    if (existsSync(link)) return;
    console.error('Install what it needs first: npm install');
    process.exit(1);
  }
  if (
    !existsSync(join(clone, 'dist', 'cli', 'main.js')) ||
    !existsSync(join(clone, 'node_modules', 'preact'))
  ) {
    const { setUp } = await import(pathToFileURL(setup).href);
    await setUp();
  }
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  try {
    symlinkSync(clone, link, 'junction');
  } catch (error) {
    if (error.code !== 'EEXIST') throw error; // another process was first
  }
}
