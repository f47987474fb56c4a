// Which files are sources: a change of one starts the programs of `umbel dev` again. Pure but for the search of the project's folder.
import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

/** What builds and tests write. */
const products = ['node_modules', 'dist', 'build', 'out', 'coverage', 'tmp', 'temp', '__pycache__'];

/** Code, the JSON that it may import, and .env. What tasks write has mostly other endings. */
export function isSource(file: string): boolean {
  const name = basename(file);
  if (name === '.env') return true;
  return !name.startsWith('.') && /(?<!\.d)\.(?:[cm]?[jt]s|[jt]sx|json)$/.test(name);
}

/** Whether a folder below one that is watched is left out; `appFile`: an application in dist/ is watched all the same. */
export function isLeftOut(folder: string, appFile: string, ignored: readonly string[]): boolean {
  if (ignored.some((each) => isWithin(folder, each))) return true;
  const name = basename(folder);
  return (name.startsWith('.') || products.includes(name)) && !isWithin(appFile, folder);
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The folder of the project: the nearest one from the application upwards that has a package.json. */
export function projectOf(appFile: string): string {
  for (let folder = dirname(appFile); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return dirname(appFile);
  }
}

/** A path for people: `src/app.ts`. */
export function shownPath(path: string, folder: string): string {
  const shown = relative(folder, path);
  return shown.startsWith('..') || shown === '' ? path : shown;
}
