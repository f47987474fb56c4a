// A worker in the background: started apart from this terminal, known by its pid file.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../log-file.ts';
import type { Node } from './nodes.ts';

const program = fileURLToPath(new URL('../main.js', import.meta.url));
/** What dies within this time did not start. */
const settleMs = 1500;

/** The process of a worker, if it lives. A file whose process is gone says nothing. */
export function pidOf({ pidFile }: Node): number | null {
  if (!existsSync(pidFile)) return null;
  const pid = Number(readFileSync(pidFile, 'utf8').trim());
  return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) ? pid : null;
}

/** Starts it; the process's id, or what it said when it ended at once. */
export async function startNode(node: Node, before: readonly string[]): Promise<number | string> {
  for (const file of [node.pidFile, node.logFile]) mkdirSync(dirname(file), { recursive: true });
  const log = openSync(node.logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [program, ...before, 'worker', ...node.args], {
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
  if (child.pid === undefined) return 'the process could not be started';
  writeFileSync(node.pidFile, `${child.pid}\n`);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const waiting = new AbortController();
  const code = await Promise.race([ended, sleep(settleMs, 'alive' as const, { signal: waiting.signal })]);
  waiting.abort();
  if (code === 'alive') {
    child.unref();
    return child.pid;
  }
  rmSync(node.pidFile, { force: true });
  const said = readFileSync(node.logFile, 'utf8').trim().split('\n').at(-1) ?? '';
  return `it ended at once with exit code ${code}: ${said}`;
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
