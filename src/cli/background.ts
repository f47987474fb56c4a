// Starts a program of ours in the background, apart from this terminal, and reports whether it started.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLog } from './own-files.ts';

/** How long the start may take, milliseconds: by then the program has written its pid file, or has ended. */
const startMs = 30_000;
const pollIntervalMs = 100;

interface Background {
  /** The arguments of Node, among them `--pidfile` with the file below. */
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** The file for its log, and for the output of its tasks. */
  readonly logfile: string;
  readonly pidfile: string;
}

/** The process id, once the program has loaded the application; or its exit code and last words. */
type Started =
  | { readonly pid: number }
  | { readonly pid: null; readonly exitCode: number | null; readonly lastWords: string };

export async function startInBackground(program: Background): Promise<Started> {
  const { args, folder: cwd, env, logfile, pidfile } = program;
  const log = openLog(logfile);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
  } finally {
    closeSync(log);
  }
  let code: number | null | undefined;
  child.once('exit', (ended) => {
    code = ended;
  });
  child.once('error', () => {
    code = null;
  });
  const until = performance.now() + startMs;
  while (code === undefined && performance.now() < until && !isIn(pidfile, child.pid))
    await sleep(pollIntervalMs);
  if (code !== undefined || child.pid === undefined)
    return { pid: null, exitCode: code ?? null, lastWords: lastLine(logfile) };
  child.unref();
  return { pid: child.pid };
}

function isIn(file: string, pid: number | undefined): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').trim() === String(pid);
}

function lastLine(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
}
