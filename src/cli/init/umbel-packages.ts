import { version } from '../../lib/version.ts';

/**
 * The `dependencies` of a new project.
 * @param needsSqlite this Node has no SQLite (before 22.13), for the embedded store and for the history beside another broker
 */
export function umbelPackages(needsSqlite: boolean): Readonly<Record<string, string>> {
  return { ...(needsSqlite && { '@photostructure/sqlite': '^1.2.1' }), umbel: `^${version}` };
}
