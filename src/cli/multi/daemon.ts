// Workers in the background, which are found by their pid files.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../lib/built-file.ts';
import { startInBackground } from '../background.ts';
import { isAlive } from '../log-file.ts';
import type { Node } from './nodes.ts';

/**
 * The process id of a worker, if it lives. A pid file is ignored if its process is gone, or if another program has the process id by now, which
 * must not get our signals.
 */
export function pidOf({ pidFile }: Node): number | null {
  if (!existsSync(pidFile)) return null;
  const pid = Number(readFileSync(pidFile, 'utf8').trim());
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) && isWorker(pid) ? pid : null;
}

/** Whether a process is a worker, by its command line. If that cannot be read, it is assumed to be one. */
function isWorker(pid: number): boolean {
  const words = commandOf(pid);
  if (words === null) return true;
  return words.includes('worker') && words.some((word) => /(?:^|[\\/])umbel$|[\\/]main\.js$/.test(word));
}

function commandOf(pid: number): readonly string[] | null {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (process.platform === 'win32') return null;
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/);
  } catch {
    return null;
  }
}

/** Starts a worker. Returns its process id once it has loaded the application, or its last words if it ended before that. */
export async function startNode(node: Node, before: readonly string[]): Promise<number | string> {
  const { pidFile: pidfile, logFile: logfile } = node;
  const program = fileURLToPath(builtFile('cli/main.js') ?? '');
  const args = [program, ...before, 'worker', ...node.args, '--pidfile', pidfile];
  const started = await startInBackground({
    ...{ args, folder: process.cwd(), env: process.env },
    ...{ logfile, pidfile },
  });
  if (started.pid !== null) return started.pid;
  return `it ended at once with exit code ${started.exitCode}: ${started.lastWords}`;
}

/** Sends a signal to a worker; resolves at once, or when the process has ended. False: it did not end in time. */
export async function stopNode(
  node: Node,
  pid: number,
  signal: NodeJS.Signals,
  waitMs: number,
): Promise<boolean> {
  process.kill(pid, signal);
  for (let waited = 0; waited < waitMs && isAlive(pid); waited += 100) await sleep(100);
  const gone = !isAlive(pid);
  if (gone) rmSync(node.pidFile, { force: true });
  return gone;
}
