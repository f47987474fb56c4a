// The project that `umbel init --template service` writes: examples/service under another name. Pure.
import { json } from './json.ts';
import { biome, biomeJson, lintScript } from './lint.ts';
import { copyingTarball, dependenciesOn, type UmbelPackage } from './umbel-package.ts';

/** The name that the example has everywhere, and that occurs nowhere else. */
const exampleName = 'umbel-service';

/**
 * The files: texts by their paths.
 * @param example the files of examples/service
 * @param needsSqlite this Node has no SQLite
 */
export function serviceFiles(
  name: string,
  example: Readonly<Record<string, string>>,
  needsSqlite: boolean,
  umbel: UmbelPackage,
): ReadonlyMap<string, string> {
  const renamed = Object.entries(example).map(
    ([path, text]) =>
      [
        path.replaceAll(exampleName, name),
        asProject(path, text, needsSqlite, umbel).replaceAll(exampleName, name),
      ] as const,
  );
  return new Map([...renamed, ['biome.json', biomeJson]]);
}

/** Without what the example has only because it lies in a clone of Umbel. */
function asProject(path: string, text: string, needsSqlite: boolean, umbel: UmbelPackage): string {
  if (path === 'README.md') return text.replace(/<!-- clone -->.*?<!-- \/clone -->\s*/s, '');
  if (path === 'Dockerfile') return copyingTarball(text, umbel);
  if (path !== 'package.json') return text;
  const manifest = JSON.parse(text);
  const { prestart: _, pretest: __, ...others } = manifest.scripts; // they link `umbel` to the clone
  const scripts = { ...others, lint: lintScript };
  const dependencies = { ...manifest.dependencies, ...dependenciesOn(umbel, needsSqlite) };
  const devDependencies = { ...biome, ...manifest.devDependencies };
  return json({ ...manifest, scripts, dependencies, devDependencies });
}
