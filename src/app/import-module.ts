// Imports a user's file, TypeScript or JavaScript, and explains in one sentence what went wrong.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UmbelError } from '../errors.ts';
import { builtFile } from '../lib/built-file.ts';

/** A module could not be loaded, or holds no application. */
export class LoadError extends UmbelError {
  constructor(message: string, options?: ErrorOptions) {
    super('UMBEL_LOAD', message, options);
  }
}

/** @throws LoadError with the place of the mistake, and the original error as its cause. */
export async function importModule(file: string, spec: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await importAny(file);
  } catch (error) {
    if (error instanceof LoadError) throw new LoadError(`cannot load '${spec}': ${error.message}`);
    throw new LoadError(`cannot load '${spec}': ${reason(error, file)}`, { cause: error });
  }
}

async function importAny(file: string): Promise<Readonly<Record<string, unknown>>> {
  const url = pathToFileURL(file).href;
  if (!/\.[cm]?ts$/.test(file)) return import(url);
  const tsconfig = nearest('tsconfig.json', dirname(file));
  const strips = stripsTypes();
  const compiler = strips && forgetsFailures && !steersImports(tsconfig) ? null : await loadTsx();
  let why = `Node.js ${process.version} runs no TypeScript by itself; use 22.18 or newer, or the package tsx`;
  if (strips && compiler === null) {
    try {
      return await import(url);
    } catch (error) {
      if (!isUnsupportedSyntax(error)) throw error;
      why = `${reason(error, file)}; enums, decorators, \`using\` before Node 24, paths of a tsconfig.json and './x.js' for x.ts need the package tsx`;
    }
  }
  const tsx = compiler ?? (await loadTsx());
  if (tsx === null) throw new LoadError(`${why}: npm install tsx`);
  register(tsx, tsconfig);
  return import(url);
}

interface Tsx {
  readonly esm: typeof import('tsx/esm/api');
  readonly cjs: typeof import('tsx/cjs/api');
}

/** tsx has two loaders: without "type": "module" a .ts file is CommonJS. Null: the package, which is optional, is not installed. */
async function loadTsx(): Promise<Tsx | null> {
  try {
    const [esm, cjs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
    return { esm, cjs };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

let isRegistered = false;

function register({ esm, cjs }: Tsx, tsconfig: string | undefined): void {
  if (isRegistered) return;
  isRegistered = true;
  const { extensions } = createRequire(import.meta.url);
  const native = extensions['.js'];
  const ownFolder = fileURLToPath(builtFile('') ?? import.meta.url);
  cjs.register();
  const compiling = extensions['.js'];
  // tsx would compile Umbel's own modules a second time for CommonJS code, whose App would then be another class than ours.
  if (native && compiling) {
    extensions['.js'] = (module, file) => (file.startsWith(ownFolder) ? native : compiling)(module, file);
  }
  esm.register(tsconfig ? { tsconfig } : {});
}

/** Node's own type stripping is faster, but knows no tsconfig, enums, decorators or parameter properties. */
function stripsTypes(): boolean {
  return 'typescript' in process.features && Boolean(process.features.typescript);
}

/** Node 22 keeps a module that it could not read: a second try with tsx fails as the first, unless that is the application's own file. */
const forgetsFailures = Number.parseInt(process.versions.node, 10) >= 24;

/** Whether a tsconfig.json, or a file that it extends, changes how the code runs. */
function steersImports(tsconfig: string | undefined): boolean {
  if (tsconfig === undefined) return false;
  return /"(?:extends|paths|baseUrl|experimentalDecorators)"\s*:/.test(readFileSync(tsconfig, 'utf8'));
}

/** Node finds this while it links the modules, before any of them ran: trying again runs nothing twice. */
function isUnsupportedSyntax(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return (
    error instanceof SyntaxError ||
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ||
    code === 'ERR_INVALID_TYPESCRIPT_SYNTAX' ||
    code === 'ERR_MODULE_NOT_FOUND' // './tasks.js' or './tasks' for tasks.ts
  );
}

function nearest(name: string, folder: string): string | undefined {
  for (let current = folder; ; current = dirname(current)) {
    if (existsSync(join(current, name))) return join(current, name);
    if (dirname(current) === current) return undefined;
  }
}

function reason(error: unknown, file: string): string {
  if (!(error instanceof Error)) return `it threw ${String(error)}`;
  const place = placeOf(error) ?? (error instanceof SyntaxError ? placeOfMistake(file) : undefined);
  const message = error.message.replace(/^Transform failed with \d+ errors?:\n/, '').split('\n')[0] ?? '';
  const name = error.name === 'Error' || /^\S+:\d+:\d+: ERROR/.test(message) ? '' : `${error.name}: `;
  return `${name}${message}${place ? ` (${place})` : ''}`;
}

// Node prints the position of a syntax error in JavaScript, but the error object does not have it.
function placeOfMistake(file: string): string | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 });
  const line = /^(?:file:\/\/)?\S+:(\d+)\n/.exec(stderr)?.[1];
  return line && `${relative(process.cwd(), file)}:${line}`;
}

/** The first line of the user's own code: `app.ts:3:10`. */
function placeOf(error: Error): string | undefined {
  const stack = error.stack ?? '';
  if (/:\d+:\d+: ERROR/.test(error.message)) return undefined; // esbuild's message begins with it
  const atTop = /^(file:\/\/\S+?|\/\S+?):(\d+)\n/.exec(stack);
  const frame = /(?:\(|at )(?:async )?((?:file:\/\/)?\/[^\s)]+?):(\d+):(\d+)\)?$/m.exec(
    stack.replace(/^.*node_modules.*$|^.*node:internal.*$/gm, ''),
  );
  const found = atTop ?? frame;
  if (!found?.[1]) return undefined;
  const path = found[1].startsWith('file:') ? fileURLToPath(found[1].replace(/\?.*$/, '')) : found[1];
  return `${relative(process.cwd(), path)}:${found.slice(2).join(':')}`;
}
