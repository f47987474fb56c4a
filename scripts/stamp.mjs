// Whether the package is what `npm run build` would make: a build that has nothing to do takes as long as a program to start.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

const stamp = join('build', '.stamp');
/** What a build reads, and what it makes; `node_modules/.package-lock.json` is npm's own record of what is installed. */
const inputs = [
  ...['src', 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
  'node_modules/.package-lock.json',
];
const outputs = ['dist', 'build'];

/** What the next build will have read. Taken before it reads: a file that is saved meanwhile is built again. */
export function inputsNow() {
  return hashOf(inputs);
}

export function isBuilt() {
  const path = join(root, stamp);
  return existsSync(path) && readFileSync(path, 'utf8') === `${hashOf(inputs)} ${hashOf(outputs)}`;
}

export function noteBuilt(inputsBefore) {
  writeFileSync(join(root, stamp), `${inputsBefore} ${hashOf(outputs)}`);
}

/** By content: a copy of the repository is as built as the repository. */
function hashOf(paths) {
  const hash = createHash('sha1');
  for (const file of paths.flatMap(filesOf))
    if (file !== stamp) hash.update(`${file}\0`).update(contentOf(file));
  return hash.digest('hex');
}

/** Another build may have renamed it meanwhile. */
function contentOf(file) {
  try {
    return readFileSync(join(root, file));
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

function filesOf(path) {
  const found = statSync(join(root, path), { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (!found.isDirectory()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}
