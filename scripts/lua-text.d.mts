// The types of what tests use of lua-text.mjs.

/** The text of a Lua script without comments and indents. */
export function luaText(file: string): string;
