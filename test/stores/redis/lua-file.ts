import { basename, join } from 'node:path';
import { luaText } from '../../../scripts/lua-text.mjs';
import type { LuaFile } from '../../../src/stores/redis/scripts.ts';
import { root } from '../../e2e/harness/built.ts';

/** A script as modules of src/ import it. @param file `join.lua` */
export function luaFile(file: string): LuaFile {
  return {
    name: basename(file, '.lua'),
    text: luaText(join(root, 'src/stores/redis/lua', file)),
  };
}
