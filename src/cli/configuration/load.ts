// The sources of options besides flags: the environment, .env, and umbel.config.ts, in this order. The first source that sets an option
// wins.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Command, Option } from 'commander';
import { suggest } from '../../lib/suggest.ts';
import { UsageError } from '../usage.ts';

const files = [
  ...['umbel.config.ts', 'umbel.config.mts', 'umbel.config.js', 'umbel.config.mjs'],
  'umbel.config.json',
];

const example = `{ app: './app.ts', worker: { concurrency: 4 } }`;

/** The sources of environment variables that were not in the environment itself. */
const origins = new Map<string, string>();

/** `environment`, `.env`, `umbel.config.ts`, or `flag: --broker`. */
export function originOf(variable: string): string {
  return origins.get(variable) ?? 'environment';
}

/** The environment without what {@link configure} added: for programs that read .env and the file by themselves, after a change, too. */
export function environmentBefore(): NodeJS.ProcessEnv {
  const isOwn = ([name]: [string, unknown]): boolean => /^(?:environment|flag: .*)$/.test(originOf(name));
  return Object.fromEntries(Object.entries(process.env).filter(isOwn));
}

/** The environment with .env as it is now: for a program that does not read .env by itself. */
export function environmentNow(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => originOf(name) !== '.env');
  return { ...envFile(), ...Object.fromEntries(others) };
}

/**
 * Changes to `--workdir`, and completes the options of the command before it runs.
 * @param commandNames of all commands, whose options the file may hold
 * @throws UsageError for a missing folder, and for errors in the file
 */
export async function configure(command: Command, commandNames: readonly string[]): Promise<void> {
  origins.clear(); // left by an earlier command in the same process
  const workdir = given(command, 'workdir');
  if (typeof workdir === 'string') enter(workdir);
  for (const [name, [variable = '']] of Object.entries(variables))
    if (given(command, name) !== undefined) origins.set(variable, `flag: --${flagOf(name)}`);
  readEnvFile();
  const file = files.find((name) => existsSync(name));
  if (file !== undefined) await applyFile(command, file, commandNames);
}

/** `resultBackend` is the flag `--result-backend`. */
function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function enter(folder: string): void {
  try {
    process.chdir(folder);
  } catch (error) {
    throw new UsageError(`cannot change to the folder '${folder}'`, { cause: error });
  }
}

/** What .env says. */
function envFile(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync('.env', 'utf8'));
  } catch (error) {
    if (!existsSync('.env')) return {};
    throw new UsageError('cannot read .env', { cause: error }); // a folder, or not readable
  }
}

/** Reads .env. Variables of the environment keep their values. */
function readEnvFile(): void {
  for (const [name, value] of Object.entries(envFile())) {
    if (process.env[name] !== undefined || value === undefined) continue;
    process.env[name] = value;
    origins.set(name, '.env');
  }
}

/** Options that an App reads from the environment, in the processes of its pool as well. */
const variables: Readonly<Record<string, readonly string[]>> = {
  app: ['UMBEL_APP'],
  broker: ['UMBEL_BROKER_URL', 'CELERY_BROKER_URL'],
  resultBackend: ['UMBEL_RESULT_BACKEND', 'CELERY_RESULT_BACKEND'],
};

async function applyFile(command: Command, file: string, commandNames: readonly string[]): Promise<void> {
  const config = file.endsWith('.json') ? readJson(file) : await readModule(file);
  const path = pathOf(command);
  for (const [name, value] of Object.entries(config)) {
    if (name === '$schema' && file.endsWith('.json')) continue; // for editors
    if (Object.hasOwn(variables, name)) setVariable(name, value, command, file);
    else if (!commandNames.includes(name)) {
      const hint = suggest(name, [...commandNames, ...Object.keys(variables)]);
      throw new UsageError(
        `${file}: there is no '${name}'; ${hint === undefined ? 'it holds app, broker, resultBackend, and options by command' : `did you mean '${hint}'?`}`,
      );
    } else if (path[1]?.name() === name) applyOptions(command, value, `${file}: ${name}`);
  }
}

async function readModule(file: string): Promise<object> {
  const { importModule } = await import('../../app/import-module.ts');
  const { default: config } = await importModule(join(process.cwd(), file), file);
  if (typeof config === 'object' && config !== null) return config;
  throw new UsageError(`${file}: export default an object, like ${example}`);
}

function readJson(file: string): object {
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`cannot read ${file}: ${why}`, { cause: error });
  }
  if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config;
  throw new UsageError(
    `${file} must hold an object, like { "app": "./app.ts", "worker": { "concurrency": 4 } }`,
  );
}

function setVariable(name: string, value: unknown, command: Command, file: string): void {
  const [first = '', ...others] = variables[name] ?? [];
  if (typeof value !== 'string' || value === '') throw new UsageError(`${file}: '${name}' must be text`);
  // A flag wins, and so does the environment.
  if (given(command, name) !== undefined || [first, ...others].some((variable) => process.env[variable]))
    return;
  process.env[first] = value;
  origins.set(first, file);
}

function applyOptions(command: Command, options: unknown, where: string): void {
  if (typeof options !== 'object' || options === null) throw new UsageError(`${where} must be an object`);
  const known = new Map(
    pathOf(command).flatMap((each) =>
      each.options.map((option) => [option.attributeName(), option] as const),
    ),
  );
  for (const [name, value] of Object.entries(options)) {
    const option = known.get(name);
    if (option === undefined) {
      // The subcommands of a command have different options.
      if (pathOf(command).length > 2) continue;
      const hint = suggest(name, known.keys());
      throw new UsageError(
        `${where}: there is no option '${name}'${hint === undefined ? '' : `; did you mean '${hint}'?`}`,
      );
    }
    if (given(command, name) === undefined)
      command.setOptionValueWithSource(name, parsed(option, value, where), 'config');
  }
}

/** Reads a value like the flag would. */
function parsed(option: Option, value: unknown, where: string): unknown {
  const { parseArg } = option;
  if (typeof value === 'boolean') {
    if (option.required) throw new UsageError(`${where}: '${option.attributeName()}' takes a value`);
    return value;
  }
  if (parseArg === undefined) return value;
  try {
    // An option that is given one thing at a time gets them so.
    if (Array.isArray(value) && parseArg.length > 1)
      return value.reduce<unknown>((previous, each) => parseArg(String(each), previous), undefined);
    return parseArg(Array.isArray(value) ? value.join(',') : String(value), undefined);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${where}: '${option.attributeName()}': ${why}`, { cause: error });
  }
}

/** The value from the command line, of the command or of a command around it; undefined: not set. */
function given(command: Command, name: string): unknown {
  for (const each of pathOf(command)) if (each.getOptionValueSource(name) === 'cli') return each.opts()[name];
  return undefined;
}

/** The commands from the program down to this command. */
function pathOf(command: Command): readonly Command[] {
  const path: Command[] = [];
  for (let each: Command | null = command; each; each = each.parent) path.unshift(each);
  return path;
}
