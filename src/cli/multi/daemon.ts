// A worker in the background: started apart from this terminal, known by its pid file.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../lib/built-file.ts';
import { startInBackground } from '../background.ts';
import { isAlive } from '../log-file.ts';
import type { Node } from './nodes.ts';

/**
 * The process of a worker, if it lives. A file whose process is gone says nothing, nor does one whose number another program has by now:
 * that would get our signals.
 */
export function pidOf({ pidFile }: Node): number | null {
  if (!existsSync(pidFile)) return null;
  const pid = Number(readFileSync(pidFile, 'utf8').trim());
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) && isWorker(pid) ? pid : null;
}

/** By its command line; where that cannot be had, it is taken for one. */
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

/** Starts it; the process's id when it has loaded the application, or what it said when it ended before that. */
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

/** Signals it; resolves at once, or when it is gone. False: it did not go within the time. */
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
