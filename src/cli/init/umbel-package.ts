// Where a new project gets Umbel from: from where the running one was installed, so that `npm install` finds it.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../lib/version.ts';
import { projectOf } from '../dev/sources.ts';

export interface UmbelPackage {
  /** As `package.json` names it. */
  readonly dependency: string;
  /** The file from which the running Umbel was installed, and which belongs into the project; none, if it came from a registry. */
  readonly tarball?: string;
}

export function umbelPackage(): UmbelPackage {
  const folder = projectOf(fileURLToPath(import.meta.url));
  const tarball = notedByNpm(folder) ?? namedByProject(folder);
  if (tarball === undefined || !existsSync(tarball)) return { dependency: `^${version}` };
  return { dependency: `file:${basename(tarball)}`, tarball };
}

/** npm notes in each `node_modules` what it installed from where, in the global one, too. */
function notedByNpm(folder: string): string | undefined {
  const notes = readJson(join(folder, '../.package-lock.json'));
  return fileIn(join(folder, '../..'), notes.packages?.['node_modules/umbel']?.resolved);
}

/** pnpm and yarn do not, but the project in whose `node_modules` this is names the file; pnpm's are some folders deeper. */
function namedByProject(folder: string): string | undefined {
  for (let project = folder; dirname(project) !== project; ) {
    project = dirname(project);
    const { dependencies, devDependencies } = readJson(join(project, 'package.json'));
    const file = fileIn(project, dependencies?.umbel ?? devDependencies?.umbel);
    if (file !== undefined) return file;
  }
  return undefined;
}

/** `file:../umbel-0.1.0.tgz`; yarn leaves out the scheme. */
function fileIn(project: string, from = ''): string | undefined {
  const path = /^(?:file:)?([^:]*\.t(?:ar\.)?gz)$/.exec(from)?.[1];
  return path === undefined ? undefined : resolve(project, path);
}

interface PackageFile {
  readonly packages?: Readonly<Record<string, { readonly resolved?: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Nothing, if there is no such file, or if it is broken: that is not for `init` to tell. */
function readJson(path: string): PackageFile {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return {};
  }
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
