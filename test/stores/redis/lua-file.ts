import { join } from 'node:path';
import { luaFile as read } from '../../../scripts/lua-file.mjs';
import type { LuaFile } from '../../../src/stores/redis/scripts.ts';
import { root } from '../../e2e/harness/built.ts';

/** A script as modules of src/ import it. @param file `join.lua` */
export function luaFile(file: string): LuaFile {
  return read(join(root, 'src/stores/redis/lua', file));
}
