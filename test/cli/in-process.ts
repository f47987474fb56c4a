// A command in this process, as if it had one of its own: its folder, its environment, pipes for its output, and no input.
import { Console } from 'node:console';
import { realpathSync } from 'node:fs';
import { register } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
// It works in the folder in which it was loaded for as long as the process lives. A command would load it, by tsx, in a project that goes.
import 'esbuild';
import { loadApp } from '../../src/app/load-app.ts';
import { runCommand } from '../../src/cli/run-command.ts';
import type { App } from '../../src/index.ts';
import { root } from '../e2e/harness/built.ts';
import { within } from '../until.ts';

export const command: string = join(root, 'dist', 'cli', 'main.js');

/** What the paths of the projects of tests begin with. */
export const projects: string = join(realpathSync(tmpdir()), 'umbel-cli-');

/** What a command has that is a process's. */
export interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command said, without the line that only a slow machine brings: how long a broker takes is no business of a test. */
export function withoutWaits(stderr: string): string {
  return stderr.replaceAll(/^waiting for the broker .* …\n/gm, '');
}

/** Runs `umbel` with these arguments to its end. */
export function runInProcess(place: Place, args: readonly string[]): Promise<Said> {
  return inTurn(place, async (stdout, stderr) => {
    process.argv = [process.execPath, command, ...args];
    const code = await within(runCommand(process.argv), `umbel ${args.join(' ')}`).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${stdout.text}\n${stderr.text}`);
    });
    return { code, stdout: stdout.text, stderr: withoutWaits(stderr.text) };
  });
}

/** The application that this file of a project exports, as a program that starts there has it; its stores are open. */
export function openApp(place: Place, file: string): Promise<App> {
  return inTurn(place, async () => {
    const app = await loadApp(file);
    await app.open();
    return app;
  });
}

let last: Promise<unknown> = Promise.resolve();

/** One after the other: there is one folder, one environment and one output. */
function inTurn<T>(place: Place, work: (stdout: Pipe, stderr: Pipe) => Promise<T>): Promise<T> {
  const turn = last.then(() => as(place, work));
  last = turn.catch(() => undefined);
  return turn;
}

async function as<T>(place: Place, work: (stdout: Pipe, stderr: Pipe) => Promise<T>): Promise<T> {
  run[0] = (run[0] ?? 0) + 1;
  const [stdout, stderr] = [new Pipe(), new Pipe()];
  const { argv, execArgv, exitCode } = process;
  const { console } = globalThis;
  const folder = process.cwd();
  const env = { ...process.env };
  const listening = listeners();
  const streams = [
    replaced('stdin', Readable.from([])),
    replaced('stdout', stdout),
    replaced('stderr', stderr),
  ];
  globalThis.console = new Console({ stdout, stderr });
  // A long-running command does not live for the sake of who started it; this process does, though nothing else keeps it.
  const { channel } = process;
  if (channel) channel.unref = () => undefined;
  process.exitCode = undefined;
  process.execArgv = [];
  setEnvironment(place.env);
  try {
    process.chdir(place.folder);
    return await work(stdout, stderr);
  } finally {
    process.chdir(folder);
    setEnvironment(env);
    Object.assign(process, { argv, execArgv });
    process.exitCode = exitCode;
    globalThis.console = console;
    for (const restore of streams) restore();
    if (channel) Reflect.deleteProperty(channel, 'unref');
    for (const [name, each] of listeners())
      for (const listener of each)
        if (!listening.get(name)?.includes(listener)) process.off(name, listener as never);
  }
}

/** What a pipe is for the process that writes into it: no terminal, and as wide as it likes. */
class Pipe extends Writable {
  readonly #chunks: Buffer[] = [];

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}

function replaced(name: 'stdin' | 'stdout' | 'stderr', value: object): () => void {
  const before = Object.getOwnPropertyDescriptor(process, name);
  if (before === undefined) throw new Error(`the process has no ${name}`);
  Object.defineProperty(process, name, { value, configurable: true, enumerable: true });
  return () => void Object.defineProperty(process, name, before);
}

function setEnvironment(wanted: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
}

/** Who listens to the process's signals. */
function listeners(): Map<string, readonly unknown[]> {
  const names = process.eventNames().filter((name) => typeof name === 'string' && name.startsWith('SIG'));
  return new Map(names.map((name) => [String(name), process.rawListeners(name)]));
}

const run = new Int32Array(new SharedArrayBuffer(4));
register('./fresh-modules.mjs', {
  parentURL: import.meta.url,
  data: { projects: pathToFileURL(projects).href, run },
});
