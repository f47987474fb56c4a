// The library that opens SQLite's files: Node's own, or a package where Node has none.
import { StoreError } from '../../errors.ts';
import type { Database } from './sqlite.ts';

const port = '@photostructure/sqlite';

/** `node:sqlite`. Undefined: this Node has none (before 22.13). */
export function builtinSqlite(): { readonly DatabaseSync: new (file: string) => Database } | undefined {
  const { emitWarning } = process;
  process.emitWarning = () => {}; // that the module is experimental
  try {
    // The types of the oldest supported runtime lack the module.
    return process.getBuiltinModule?.('node:sqlite' as 'node:fs') as unknown as ReturnType<
      typeof builtinSqlite
    >;
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** @throws StoreError if this Node needs the package, and that is not installed */
export async function loadLibrary(): Promise<(file: string) => Database> {
  const builtin = builtinSqlite();
  if (builtin !== undefined) return (file) => new builtin.DatabaseSync(file);
  try {
    const { DatabaseSync } = await import('@photostructure/sqlite');
    // The port's types of statements are overloads with the same meaning.
    return (file) => new DatabaseSync(file) as unknown as Database;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const isMissing = /Cannot find (?:package|module) '@photostructure\/sqlite'/.test(text);
    const why = isMissing
      ? `the package that has it is not installed: npm install ${port}`
      : `${port} cannot be loaded (${text.split('\n')[0]}); in a bundle, leave it out (esbuild: --external:${port})`;
    throw new StoreError(
      `this Node.js (${process.version}) has no built-in SQLite, and ${why}. From Node.js 22.13 on it is not needed.`,
      { cause: error },
    );
  }
}
