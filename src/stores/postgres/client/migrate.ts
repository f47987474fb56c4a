// Creates and migrates our tables in a user's database. The first process that starts does it.
import { StoreError } from '../../../errors.ts';
import type { PostgresPool } from './pool.ts';

/**
 * Brings one part of the schema up to date: `versions[n]` migrates from version n to n + 1; `$schema` in them stands for the schema's
 * name. Any number of processes may do this at once: one migrates, the others wait for it.
 * @throws StoreError when the tables are those of a newer Umbel; BrokerUnavailable.
 */
export async function migrate(
  pool: PostgresPool,
  part: string,
  versions: readonly string[],
  untilMs: number,
): Promise<void> {
  const { schema, shown } = pool.settings;
  const table = `${schema}.schema_version`;
  const select = `SELECT version FROM ${table} WHERE part = $1`;
  const check = (rows: readonly Record<string, unknown>[]): number => {
    const version = Number(rows[0]?.version ?? 0);
    if (version <= versions.length) return version;
    throw new StoreError(
      `the schema '${schema}' of ${shown} was made by a newer Umbel (${part} ${version}, this one knows ${versions.length}); update this one, or give it another 'schema'`,
    );
  };
  // If the tables are up to date, the process needs neither a lock nor the right to create anything.
  const [there] = await pool.query('SELECT to_regclass($1) IS NOT NULL AS there', [table], untilMs);
  if (there?.there === true && check(await pool.query(select, [part], untilMs)) === versions.length) return;
  await pool.transaction(untilMs, async (ask) => {
    await ask(`SELECT set_config('lock_timeout', $1, true)`, [String(lockMs)]);
    await ask('SELECT pg_advisory_xact_lock(hashtext($1))', [`umbel ${schema}`]);
    const [made] = await ask('SELECT to_regnamespace($1) IS NOT NULL AS made', [schema]);
    if (made?.made !== true) await ask(`CREATE SCHEMA ${schema}`);
    await ask(`CREATE TABLE IF NOT EXISTS ${table} (part text PRIMARY KEY, version integer NOT NULL)`);
    const version = check(await ask(select, [part]));
    for (const step of versions.slice(version)) await ask(step.replaceAll('$schema', schema));
    await ask(
      `INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET version = excluded.version`,
      [part, versions.length],
    );
  });
}

/** How long a process waits for the lock, milliseconds: longer than a migration takes. */
const lockMs = 30_000;
