// `-D`: the same command once more, apart from this terminal.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expandPath } from './log-file.ts';
import { NotStarted } from './usage.ts';

/** Before anything changes the folder. */
const folder = process.cwd();
const variable = 'UMBEL_DETACHED';
/** It has written its pid file by then, or has ended. */
const startMs = 30_000;
const lookEveryMs = 100;

/** Whether this process is the one in the background. What it starts is not told so. */
export const isDetached: boolean = process.env[variable] !== undefined;
delete process.env[variable];

/** For a process that starts this one again in its place. */
export function detachedEnvironment(): Readonly<Record<string, string>> {
  return isDetached ? { [variable]: '1' } : {};
}

export interface DetachChoices {
  readonly logfile?: string;
  readonly pidfile?: string;
}

/**
 * Starts this command line in the background, and says what came of it. Without names of their own, `%n.pid` and `%n.log` are its files, here.
 * @throws NotStarted with its last words
 */
export async function detach(
  node: string,
  { logfile = '%n.log', pidfile = '%n.pid' }: DetachChoices,
): Promise<{ readonly pid: number; readonly logfile: string; readonly pidfile: string }> {
  const files = {
    logfile: resolve(expandPath(logfile, node)),
    pidfile: resolve(expandPath(pidfile, node)),
  };
  mkdirSync(dirname(files.logfile), { recursive: true });
  const log = openSync(files.logfile, 'a');
  const args = [
    ...process.execArgv,
    ...process.argv.slice(1),
    '--logfile',
    files.logfile,
    '--pidfile',
    files.pidfile,
  ];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    detached: true,
    env: { ...process.env, [variable]: '1' },
    stdio: ['ignore', log, log], // what tasks print goes there, too
  });
  closeSync(log);
  let code: number | null | undefined;
  child.once('exit', (ended) => {
    code = ended;
  });
  child.once('error', () => {
    code = null;
  });
  const until = performance.now() + startMs;
  while (code === undefined && performance.now() < until && !isIn(files.pidfile, child.pid))
    await sleep(lookEveryMs);
  if (code !== undefined || child.pid === undefined)
    throw new NotStarted(node, code ?? null, lastLine(files.logfile));
  child.unref();
  return { pid: child.pid, ...files };
}

function isIn(file: string, pid: number | undefined): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').trim() === String(pid);
}

function lastLine(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '';
}
