// Where a new project gets Umbel from: from where the running one was installed, so that `npm install` finds it.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../lib/version.ts';
import { projectOf } from '../dev/sources.ts';

export interface UmbelPackage {
  /** As `package.json` names it. */
  readonly dependency: string;
  /** The file from which the running Umbel was installed, and which belongs into the project; none, if it came from a registry. */
  readonly tarball?: string;
}

/** npm notes in each `node_modules` what it installed from where; other package managers do not. */
export function umbelPackage(): UmbelPackage {
  const folder = projectOf(fileURLToPath(import.meta.url));
  const notes = join(folder, '../.package-lock.json');
  const { packages = {} }: { packages?: Readonly<Record<string, { resolved?: string }>> } = existsSync(notes)
    ? JSON.parse(readFileSync(notes, 'utf8'))
    : {};
  const from = /^file:(.*\.t(?:ar\.)?gz)$/.exec(packages['node_modules/umbel']?.resolved ?? '')?.[1];
  const tarball = from === undefined ? undefined : resolve(folder, '../..', from);
  if (tarball === undefined || !existsSync(tarball)) return { dependency: `^${version}` };
  return { dependency: `file:${basename(tarball)}`, tarball };
}

/**
 * The `dependencies` of a new project.
 * @param needsSqlite this Node has no SQLite (before 22.13), for the embedded store and for the history beside another broker
 */
export function dependenciesOn(
  { dependency }: UmbelPackage,
  needsSqlite: boolean,
): Readonly<Record<string, string>> {
  return { ...(needsSqlite && { '@photostructure/sqlite': '^1.2.1' }), umbel: dependency };
}

/** A Dockerfile copies the file before it installs. */
export function copyingTarball(dockerfile: string, { tarball }: UmbelPackage): string {
  if (tarball === undefined) return dockerfile;
  return dockerfile.replace('COPY package*.json ./', `COPY package*.json ${basename(tarball)} ./`);
}
