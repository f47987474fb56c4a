// The text of a Lua script as the package has it.
import { readFileSync } from 'node:fs';

/** Without comments and indents, which are for those who read the file. */
export function luaText(file) {
  return readFileSync(file, 'utf8').replaceAll(/^\s*--(?!- @include ).*\n|^\s+/gm, '');
}
