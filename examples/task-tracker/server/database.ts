// The database: SQLite in a file, or PostgreSQL, by one setting. Both behind the same tables and the same queries.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PostgresPool, SqliteDatabase, Transaction } from 'kysely';
import { Kysely, Migrator, PostgresDialect, SqliteDialect } from 'kysely';
import { migrations } from './migrations.ts';
import type { Tables } from './schema.ts';
import { settings } from './settings.ts';

const isPostgres = settings.DATABASE_URL.startsWith('postgres');

/** Opened by the first query: a beat makes none. */
export const database: Kysely<Tables> = new Kysely<Tables>({
  dialect: isPostgres ? new PostgresDialect({ pool: postgres }) : new SqliteDialect({ database: sqlite }),
});

export type Writing = Transaction<Tables>;

/**
 * A write to what a user sees. It raises the user's revision first: this invalidates what the cache has, tells open pages, and holds
 * off other writes to the same user's tasks until this one is done.
 */
export function change<T>(userId: number, write: (writing: Writing) => Promise<T>): Promise<T> {
  return database.transaction().execute(async (writing) => {
    const user = writing.updateTable('users').where('id', '=', userId);
    await user.set(({ eb }) => ({ revision: eb('revision', '+', 1) })).execute();
    return write(writing);
  });
}

/** Brings the tables up to date; of several processes that do so at once, one does. */
export async function migrate(): Promise<void> {
  const provider = { getMigrations: async () => migrations(isPostgres) };
  const migrator = new Migrator({ db: database, provider });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) throw error;
  for (const { migrationName } of results) console.log(`database: ${migrationName}`);
}

async function postgres(): Promise<PostgresPool> {
  const { default: pg } = await import('pg');
  pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => new Date(text).toISOString());
  pg.types.setTypeParser(pg.types.builtins.INT8, Number); // count(*)
  const pool = new pg.Pool({ connectionString: settings.DATABASE_URL, max: 10 });
  pool.on('error', (error) => console.error(`database: ${error.message}`)); // an idle connection was ended; the pool makes another
  return pool;
}

async function sqlite(): Promise<SqliteDatabase> {
  const { DatabaseSync } = await import('@photostructure/sqlite'); // as node:sqlite, also where Node has none
  mkdirSync(settings.DATA, { recursive: true });
  const file = new DatabaseSync(join(settings.DATA, 'tracker.db'), { timeout: 10_000 });
  file.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
  return {
    close: () => file.close(),
    prepare(sql) {
      // A transaction that reads first and writes later would fail when another process has written meanwhile.
      const statement = file.prepare(sql === 'begin' ? 'begin immediate' : sql);
      return {
        reader: statement.columns().length > 0,
        all: (values) => statement.all(...(values as never[])), // Kysely has checked them against the table's columns
        run: (values) => statement.run(...(values as never[])),
        iterate: (values) => statement.iterate(...(values as never[])),
      };
    },
  };
}
