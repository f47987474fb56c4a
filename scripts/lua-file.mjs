// A Lua script as the package has it.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Its name, and its text without comments and indents, which are for those who read the file. */
export function luaFile(path) {
  const text = readFileSync(path, 'utf8').replaceAll(/^\s*--(?!- @include ).*\n|^\s+/gm, '');
  return { name: basename(path, '.lua'), text };
}
