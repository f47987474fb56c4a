// The recipes of docs/recipes as files of programs, in a folder in which the package is installed.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export const recipes = readdirSync(join(root, 'docs/recipes')).map((file) => file.replace(/\.md$/, ''));

/** What the recipes import beside Umbel. */
const libraries = ['@photostructure', '@types', 'esbuild', 'hono', 'nodemailer', 'smtp-server', 'vitest'];

/** Makes the folder a package with Umbel and the libraries of the recipes. */
export function install(folder: string): void {
  const installed = join(folder, 'node_modules');
  mkdirSync(installed, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(root, join(installed, 'umbel'), 'dir');
  for (const name of libraries) symlinkSync(join(root, 'node_modules', name), join(installed, name), 'dir');
}

/** The program of a recipe by its files. A block that begins with `// app.ts` is that file; all others are `main.ts`. */
export function filesOf(recipe: string): ReadonlyMap<string, string> {
  const page = readFileSync(join(root, 'docs/recipes', `${recipe}.md`), 'utf8');
  const files = new Map<string, string>();
  for (const [, code = ''] of page.matchAll(/^```(?:ts|cjs)\n([\s\S]*?)^```$/gm)) {
    const name = /^\/\/ (\S+\.(?:ts|cjs))\n/.exec(code)?.[1] ?? 'main.ts';
    files.set(name, `${files.get(name) ?? ''}${code}\n`);
  }
  return files;
}

/** Writes the files; returns their paths. */
export function write(folder: string, files: ReadonlyMap<string, string>): readonly string[] {
  return [...files].map(([name, code]) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code);
    return path;
  });
}
