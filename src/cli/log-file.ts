// Log files and pid files of the long-running commands.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UmbelError } from '../errors.ts';
import { makeFolder } from '../lib/make-folder.ts';
import { nodeName } from '../worker/node-name.ts';
import { ownFileMode } from './own-files.ts';

/**
 * Celery's expansions in names of files: `%n` is the node's name before the `@`, `%h` its host with the domain, `%d` the domain alone, `%p`
 * the whole name. `%i` and `%I` are the number of a pool's process, which the main process does not have.
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
  // As in Celery, `-%I` is empty in the main process.
  return path.replace(/-?%I/g, '').replace(/%([nhdpi%])/g, (_, letter: string) => parts[letter] ?? '');
}

/** Another live process has the pid file. Exit code 73, like Celery. */
class PidFileTaken extends UmbelError {
  constructor(file: string, pid: number) {
    super(
      'UMBEL_PID_FILE',
      `the process ${pid} has the pid file '${file}' and lives: stop it, or name another file`,
    );
  }
}

/** Writes the process id to the file, and deletes the file at the end of the process or on disposal. The file of a dead process is replaced. @throws PidFileTaken */
export function writePidFile(file: string): Disposable {
  makeFolder(dirname(file));
  const text = `${process.pid}\n`;
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(file, text, { flag: 'wx', mode: ownFileMode });
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST') || tries > 2) throw error;
      const held = readFileSync(file, 'utf8').trim();
      // Not a pid file, but some other file that was named by mistake. (A pid file may be empty, if the machine crashed while it was written.)
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
    // Only if it is still ours: a later process may have written its own.
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

/** Calls `reopen` when the file was moved or deleted, so that a rotated log continues under its name. */
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

/** Whether a process with this id exists, of any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
