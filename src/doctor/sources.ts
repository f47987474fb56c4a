// The modules of an application as text, to find the helpers and clients that a task uses. Expressions for usual code replace a parser, and
// unusual code leads to no finding.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import type { App } from '../app/app.ts';
import type { AnyTask } from '../app/task.ts';

/** Facts about the code of an application. */
export interface ApplicationSources {
  /** The code of a task and of its helpers that call other services, without comments; empty: the task's code is in another program. */
  codeOf(task: AnyTask): string;
  /** Whether the task calls another service: itself, through a helper, or through a client that its module imports. */
  callsOut(task: AnyTask): boolean;
  /** The clients and helpers through which the task calls other services. */
  callersOf(task: AnyTask): readonly string[];
  /** How many Apps the modules create. */
  readonly apps: number;
  /** Files that define tasks of this application and that no module imports, each with one of its tasks. */
  readonly forgotten: readonly string[];
}

interface Module {
  readonly file: string;
  readonly text: string;
  /** Local names with the module and name from which they are imported. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>;
  /** The top-level declarations, by name. */
  readonly pieces: ReadonlyMap<string, string>;
}

const maxModules = 500;
const maxFiles = 2000;
const extensions = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

/** Packages that are clients of other programs: HTTP, databases, mail, clouds. */
const servicePackage =
  /^(?:axios|got|ky|undici|node-fetch|cross-fetch|superagent|needle|request|request-promise|stripe|twilio|openai|@anthropic-ai\/|@google\/|@google-cloud\/|googleapis|@aws-sdk\/|aws-sdk|@azure\/|@sendgrid\/|mailgun|resend|postmark|nodemailer|@slack\/|@octokit\/|octokit|@prisma\/client|prisma|pg|pg-promise|postgres|mysql|mysql2|mariadb|mongodb|mongoose|redis|ioredis|@redis\/|cassandra-driver|@elastic\/|typeorm|sequelize|knex|kysely|drizzle-orm|graphql-request|@apollo\/client|@grpc\/|@supabase\/|firebase|firebase-admin|amqplib|kafkajs|nats)(?:$|\/|(?<=\/)|\.js$)|^(?:node:)?(?:https?|http2|net|tls|dgram)$/;
const directCall =
  /(?<![.\w$])(?:fetch|axios|got|undici)\s*[.(]|\bglobalThis\.fetch\(|\bhttps?\.(?:get|request)\(|\.sendMail\(|\bnew WebSocket\(/;

/** The sources of an application without modules: only its tasks. */
export const noSources: ApplicationSources = sourcesOf([], [], new Set());

/** Reads the application's module, and all modules that it imports directly or indirectly. */
export function readSources(app: App, file: string): ApplicationSources {
  const modules = new Map<string, Module>();
  const waiting = [file, ...app.config.include.flatMap((path) => resolved(path, file) ?? [])];
  for (const next of waiting) {
    if (modules.has(next) || modules.size >= maxModules) continue;
    const module = read(next);
    if (module === null) continue;
    modules.set(next, module);
    for (const specifier of specifiersOf(module.text)) waiting.push(...(resolved(specifier, next) ?? []));
  }
  const names = new Set([...app.tasks].map(({ name }) => name));
  return sourcesOf([...modules.values()], besides(file, modules), names);
}

function sourcesOf(
  modules: readonly Module[],
  others: readonly Module[],
  tasks: ReadonlySet<string>,
): ApplicationSources {
  const callers = callersIn(modules);
  const used = (task: AnyTask): readonly (readonly [Module, string])[] => {
    const homes = modules.filter(({ text }) => definesTask(text, task.name));
    const [home] = homes;
    if (home === undefined || homes.length > 1) return [];
    return within(home, codeIn(textOf(task)), callers).map((name) => [home, name]);
  };
  const helpersOf = (task: AnyTask): string => {
    const texts = new Set<string>();
    const waiting = [...used(task)];
    for (const [module, name] of waiting) {
      const [at, piece] = pieceOf(modules, module, name);
      if (piece === undefined || texts.has(piece)) continue;
      texts.add(piece);
      for (const next of within(at, codeIn(piece), callers)) waiting.push([at, next]);
    }
    return [...texts].join('\n');
  };
  const receivers = new Set(
    modules.filter(({ text }) => /\bnew App\(/.test(codeIn(text))).map(({ file }) => file),
  );
  const imported = new Set(
    others.flatMap(({ file, text }) => specifiersOf(text).flatMap((each) => resolved(each, file) ?? [])),
  );
  return {
    codeOf: (task) => `${textOf(task)}\n${helpersOf(task)}`,
    callsOut: (task) => directCall.test(codeIn(textOf(task))) || used(task).length > 0,
    callersOf: (task) => used(task).map(([, name]) => name),
    apps: modules.reduce((sum, { text }) => sum + (codeIn(text).match(/\bnew App\(/g)?.length ?? 0), 0),
    forgotten: others.flatMap((module) => {
      if (imported.has(module.file)) return []; // imported by another program
      const task = forgottenTask(module, receivers, tasks);
      return task === undefined ? [] : [`${relative(process.cwd(), module.file)} (${task})`];
    }),
  };
}

/** `file#name` of each top-level declaration that calls another service. */
function callersIn(modules: readonly Module[]): ReadonlySet<string> {
  const callers = new Set<string>();
  for (const { file, imports } of modules)
    for (const [local, { from }] of imports) if (servicePackage.test(from)) callers.add(`${file}#${local}`);
  for (let known = -1; known !== callers.size; ) {
    known = callers.size;
    for (const module of modules) {
      for (const [local, { from, name }] of module.imports) {
        const [target] = resolved(from, module.file) ?? [];
        if (target !== undefined && callers.has(`${target}#${name}`)) callers.add(`${module.file}#${local}`);
      }
      for (const [name, piece] of module.pieces) {
        if (/\.task\s*\(|\bnew App\(/.test(piece)) continue; // sending a task is not such a call
        const code = codeIn(piece);
        if (directCall.test(code) || within(module, code, callers).some((each) => each !== name))
          callers.add(`${module.file}#${name}`);
      }
    }
  }
  return callers;
}

/** The callers of the module whose names occur in the code. */
function within(module: Module, code: string, callers: ReadonlySet<string>): readonly string[] {
  return [...module.imports.keys(), ...module.pieces.keys()].filter(
    (name) => callers.has(`${module.file}#${name}`) && names(code, name),
  );
}

function names(code: string, name: string): boolean {
  return new RegExp(`(?<![.\\w$])${name.replaceAll('$', '\\$')}(?![\\w$])(?!\\s*:)`).test(code);
}

function pieceOf(
  modules: readonly Module[],
  module: Module,
  name: string,
): readonly [Module, string | undefined] {
  const imported = module.imports.get(name);
  const [target] = imported === undefined ? [] : (resolved(imported.from, module.file) ?? []);
  const other = modules.find(({ file }) => file === target);
  return imported !== undefined && other !== undefined
    ? [other, other.pieces.get(imported.name)]
    : [module, module.pieces.get(name)];
}

/** Modules in the application's folder, except tests and build output. */
function besides(file: string, modules: ReadonlyMap<string, Module>): readonly Module[] {
  const found: Module[] = [];
  const folders = [dirname(file)];
  let left = maxFiles;
  for (const folder of folders) {
    for (const entry of entriesOf(folder)) {
      if (--left < 0) return found;
      const path = join(folder, entry.name);
      if (entry.isDirectory() && !/^(?:\.|node_modules$|dist$|build$|coverage$|tests?$|__)/.test(entry.name))
        folders.push(path);
      if (!entry.isFile() || !extensions.includes(extname(path)) || /\.(?:d|test|spec)\.\w+$/.test(path))
        continue;
      const module = modules.has(path) ? null : read(path);
      if (module !== null) found.push(module);
    }
  }
  return found;
}

function entriesOf(folder: string): readonly import('node:fs').Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** A task that the module would define on an App of these modules, and that the App does not have. */
function forgottenTask(
  { file, text, imports }: Module,
  receivers: ReadonlySet<string>,
  tasks: ReadonlySet<string>,
): string | undefined {
  for (const [, receiver = '', name = ''] of text.matchAll(/\b([\w$]+)\.task\(\s*['"`]([^'"`$]+)['"`]/g)) {
    const [from] = resolved(imports.get(receiver)?.from ?? '', file) ?? [];
    if (from !== undefined && receivers.has(from) && !tasks.has(name)) return name;
  }
  return undefined;
}

function definesTask(text: string, name: string): boolean {
  return ["'", '"', '`'].some((quote) =>
    new RegExp(`\\.task\\(\\s*${quote}${literal(name)}${quote}`).test(text),
  );
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function textOf({ run }: AnyTask): string {
  return run === null ? '' : withoutComments(Function.prototype.toString.call(run));
}

function read(file: string): Module | null {
  try {
    if (statSync(file).size > 1024 * 1024) return null;
    const text = withoutComments(readFileSync(file, 'utf8'));
    return { file, text, imports: importsOf(text), pieces: piecesOf(text) };
  } catch {
    return null;
  }
}

function importsOf(text: string): Module['imports'] {
  const imports = new Map<string, { from: string; name: string }>();
  const add = (list: string, from: string, renamed: RegExp): void => {
    for (const each of list.split(',')) {
      const [name = '', local = name] = each.trim().split(renamed);
      if (/^[\w$]+$/.test(name) && /^[\w$]+$/.test(local)) imports.set(local, { from, name });
    }
  };
  for (const [, clause = '', from = ''] of text.matchAll(
    /^import\s+(?!type\b)([^'"]+?)\s+from\s+['"]([^'"]+)['"]/gm,
  )) {
    add(/\{([^}]*)\}/.exec(clause)?.[1] ?? '', from, /\s+as\s+/);
    const whole = /^\*\s+as\s+([\w$]+)|^([\w$]+)/.exec(clause);
    const local = whole?.[1] ?? whole?.[2];
    if (local !== undefined) imports.set(local, { from, name: whole?.[1] === undefined ? 'default' : '*' });
  }
  for (const [, list, one, from = ''] of text.matchAll(
    /^(?:const|let|var)\s+(?:\{([^}]*)\}|([\w$]+))\s*=\s*(?:await\s+import|require)\(\s*['"]([^'"]+)['"]\s*\)/gm,
  )) {
    if (list !== undefined) add(list, from, /\s*:\s*/);
    if (one !== undefined) imports.set(one, { from, name: '*' });
  }
  return imports;
}

/** The declarations that begin at the left margin, each up to the next statement there. */
function piecesOf(text: string): Module['pieces'] {
  const pieces = new Map<string, string>();
  for (const each of text.split(/^(?=[A-Za-z@])/m)) {
    const name =
      /^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:function\*?|const|let|var|class)\s+([\w$]+)/.exec(
        each,
      )?.[1];
    if (name !== undefined) pieces.set(name, each);
    if (/^export default\b/.test(each)) pieces.set('default', each);
  }
  return pieces;
}

function specifiersOf(text: string): readonly string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport|\brequire\(|\bimport\()\s*['"](\.[^'"]*)['"]/g)].map(
    ([, specifier = '']) => specifier,
  );
}

/** The file of a relative import, in a list; undefined: the import is not relative, or its file does not exist. */
function resolved(specifier: string, from: string): readonly string[] | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = resolve(dirname(from), specifier);
  const bare = path.replace(/\.([cm]?)js$/, '');
  const candidates = [
    path,
    ...extensions.flatMap((extension) => [`${path}${extension}`, `${bare}${extension}`]),
    ...extensions.map((extension) => join(path, `index${extension}`)),
  ];
  const file = candidates.find((each) => extensions.includes(extname(basename(each))) && isFile(each));
  return file === undefined ? undefined : [file];
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

const commentOrText =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`/g;

/** Code without comments. Texts stay as they are: `method: 'POST'`. */
export function withoutComments(code: string): string {
  return code.replace(commentOrText, (part) => (part.startsWith('/') ? ' ' : part));
}

/** Code without comments and without the content of texts. */
export function codeIn(text: string): string {
  return text.replace(commentOrText, (part) =>
    part.startsWith('/') ? ' ' : part.startsWith('`') ? `\`${placeholders(part)}\`` : "''",
  );
}

/** The expressions in a template, which are code. */
function placeholders(template: string): string {
  return [...template.matchAll(/\$\{([^{}]*)\}/g)].map(([, code = '']) => ` ${code} `).join(' ');
}
