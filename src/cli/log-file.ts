// Log files and pid files of the long-running commands.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UmbelError } from '../errors.ts';
import { nodeName } from '../worker/node-name.ts';
import { ownFileMode } from './own-files.ts';

/**
 * Celery's expansions in the names of files: `%n` the node's name before the `@`, `%h` its host with the domain, `%d` the domain alone,
 * `%p` the whole name; `%i` and `%I` the number of the process of a pool, of which the main one has none.
 */
export function expandPath(path: string, node: string): string {
  const at = node.indexOf('@');
  const host = at < 0 ? node : node.slice(at + 1);
  const dot = host.indexOf('.');
  const parts: Readonly<Record<string, string>> = {
    n: at < 0 ? node : node.slice(0, at),
    h: host,
    d: dot < 0 ? '' : host.slice(dot + 1),
    p: nodeName(node.replaceAll('%', '%%')),
    i: '0',
    I: '',
    '%': '%',
  };
  // As Celery: `-%I` of the main process is nothing.
  return path.replace(/-?%I/g, '').replace(/%([nhdpi%])/g, (_, letter: string) => parts[letter] ?? '');
}

/** Another process has the pid file. Celery's exit code for it is 73. */
class PidFileTaken extends UmbelError {
  constructor(file: string, pid: number) {
    super(
      'UMBEL_PID_FILE',
      `the process ${pid} has the pid file '${file}' and lives: stop it, or name another file`,
    );
  }
}

/** Writes our id there; deleted when this process ends, or when it is disposed. One of a process that is gone is replaced. @throws PidFileTaken */
export function writePidFile(file: string): Disposable {
  mkdirSync(dirname(file), { recursive: true });
  const text = `${process.pid}\n`;
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, text, { flag: 'wx', mode: ownFileMode });
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST') || tries > 2) throw error;
      const held = readFileSync(file, 'utf8').trim();
      // Something else, that somebody has named by mistake. (One that was being written when its machine died is empty.)
      if (!/^\d{0,10}$/.test(held))
        throw new UmbelError(
          'UMBEL_PID_FILE',
          `'${file}' is not a pid file; it is left unchanged, so name another file`,
        );
      const pid = Number(held);
      if (pid > 0 && pid !== process.pid && isAlive(pid)) throw new PidFileTaken(file, pid);
      rmSync(file, { force: true });
    }
  }
  const remove = (): void => {
    // Not that of a process that came after us.
    if (existsSync(file) && readFileSync(file, 'utf8') === text) rmSync(file, { force: true });
  };
  process.on('exit', remove);
  return {
    [Symbol.dispose]() {
      process.off('exit', remove);
      remove();
    },
  };
}

/** Calls `reopen` when the file was moved or deleted: a log that is rotated goes on under its name. */
export function watchFile(file: string, reopen: () => void, everyMs = 1000): Disposable {
  const identity = (): number | null => {
    try {
      return statSync(file).ino;
    } catch {
      return null;
    }
  };
  let known = identity();
  const timer = setInterval(() => {
    const now = identity();
    if (now !== null && now === known) return;
    reopen();
    known = identity();
  }, everyMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Whether there is such a process, also one of somebody else. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
