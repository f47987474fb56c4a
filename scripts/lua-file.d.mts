// The types of what tests use of lua-file.mjs.

/** A Lua script: its name, and its text without comments and indents. */
export function luaFile(path: string): { readonly name: string; readonly text: string };
