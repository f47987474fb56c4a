// The project that `umbel init --template service` writes: examples/service under another name. Pure.
import { version } from '../../lib/version.ts';

/** The name that the example has everywhere, and that occurs nowhere else. */
const exampleName = 'umbel-service';

/**
 * The files: texts by their paths.
 * @param example the files of examples/service
 */
export function serviceFiles(
  name: string,
  example: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const renamed = Object.entries(example).map(
    ([path, text]) =>
      [path.replaceAll(exampleName, name), asProject(path, text).replaceAll(exampleName, name)] as const,
  );
  return new Map(renamed);
}

/** Without what the example has only because it lies in a clone of Umbel. */
function asProject(path: string, text: string): string {
  if (path === 'README.md') return text.replace(/<!-- clone -->.*?<!-- \/clone -->\s*/s, '');
  if (path !== 'package.json') return text;
  const manifest = JSON.parse(text);
  const { prestart: _, pretest: __, ...scripts } = manifest.scripts; // they link `umbel` to the clone
  const dependencies = { ...manifest.dependencies, umbel: `^${version}` };
  return `${JSON.stringify({ ...manifest, scripts, dependencies }, null, 2)}\n`;
}
