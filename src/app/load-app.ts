// Finds the user's application: the module that `-A` names, and the App that it exports.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { builtFile } from '../lib/built-file.ts';
import { suggest } from '../lib/suggest.ts';
import { App } from './app.ts';
import { importModule, LoadError } from './import-module.ts';

/**
 * Loads the application that `spec` names: `./app.ts`, `./app`, `shop/app`, `./shop` (its `index` or `app`), a
 * package's name, each with `:name` to choose one of several exports. Also imports the modules of its `include`.
 * @throws LoadError when there is no such file, it cannot be loaded, or it has no (or more than one) App.
 */
export async function loadApp(spec: string, folder: string = process.cwd()): Promise<App> {
  const { path, exportName } = split(spec);
  const file = locate(path, folder);
  const app = appOf(await importModule(file, path), exportName, path);
  for (const included of app.config.include) await importModule(locate(included, dirname(file)), included);
  return app;
}

/** The file of the application that `spec` names. @throws LoadError when there is none */
export function fileOfApp(spec: string, folder: string = process.cwd()): string {
  return locate(split(spec).path, folder);
}

/** Imports a module by the same rules as an App's. @throws LoadError */
export function loadModule(
  spec: string,
  folder: string = process.cwd(),
): Promise<Readonly<Record<string, unknown>>> {
  return importModule(locate(spec, folder), spec);
}

/** The endings of a module's file, the first that is there wins. */
export const moduleExtensions: readonly string[] = ['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs'];

// Not the colon of C:\app.ts, which is its second character.
function split(spec: string): { path: string; exportName: string | undefined } {
  const match = /^(.{2,}):([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(spec);
  return { path: match?.[1] ?? spec, exportName: match?.[2] };
}

function locate(path: string, folder: string): string {
  const full = resolve(folder, path);
  if (isFile(full)) return full;
  const names = [full, join(full, 'index'), join(full, 'app')];
  // A compiled project is often named by its source, and the other way round.
  const swapped = full.replace(/\.([cm]?)[jt]s$/, '');
  if (swapped !== full) names.push(swapped);
  for (const name of names) {
    for (const extension of moduleExtensions) if (isFile(name + extension)) return name + extension;
  }
  try {
    return createRequire(join(folder, 'package.json')).resolve(path);
  } catch {
    const wayOut = hint(full) ?? 'give the file that exports your App: -A ./app.ts';
    throw new LoadError(`no module '${path}' in ${folder}; ${wayOut}`);
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function hint(full: string): string | undefined {
  const folder = dirname(full);
  if (!existsSync(folder)) return undefined;
  const isModule = (name: string): boolean => moduleExtensions.some((extension) => name.endsWith(extension));
  const near = suggest(basename(full), readdirSync(folder).filter(isModule));
  return near && `did you mean '${near}'?`;
}

function appOf(module: Readonly<Record<string, unknown>>, exportName: string | undefined, spec: string): App {
  // module.exports of a CommonJS module may arrive as the default export alone.
  const commonJs = module.default;
  const exports: Readonly<Record<string, unknown>> =
    typeof commonJs === 'object' && commonJs !== null && !(commonJs instanceof App) && !isForeignApp(commonJs)
      ? { ...commonJs, ...module }
      : module;

  if (exportName !== undefined) {
    const chosen = exports[exportName];
    if (chosen instanceof App) return chosen;
    if (isForeignApp(chosen)) throw foreign(spec);
    const near = suggest(exportName, Object.keys(exports));
    throw new LoadError(
      exportName in exports
        ? `the export '${exportName}' of '${spec}' is no App`
        : `'${spec}': the module has no export '${exportName}'${near ? `; did you mean '${near}'?` : ''}`,
    );
  }
  if (exports.default instanceof App) return exports.default;
  if (exports.app instanceof App) return exports.app;

  const found = Object.entries(exports).filter(([, value]) => value instanceof App);
  const apps = [...new Set(found.map(([, value]) => value as App))]; // just filtered
  if (apps.length === 1 && apps[0]) return apps[0];
  if (apps.length > 1) {
    const names = found.map(([name]) => name);
    throw new LoadError(
      `'${spec}' exports several Apps (${names.join(', ')}); choose one: -A ${spec}:${names[0]}`,
    );
  }
  if (Object.values(exports).some(isForeignApp)) throw foreign(spec);
  throw new LoadError(`'${spec}' exports no App; export it: export const app = new App('name')`);
}

/** An App of another copy of Umbel: its tasks are registered where this command does not look. */
function isForeignApp(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !(value instanceof App) && value.constructor.name === 'App'
  );
}

function foreign(spec: string): LoadError {
  return new LoadError(
    `'${spec}' uses another installed copy of umbel than this program (${builtFile('')}); run the project's own: npx umbel`,
  );
}
