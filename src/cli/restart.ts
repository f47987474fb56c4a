// SIGHUP: restarts the same command line in place, after the running tasks have ended. The process id stays the same for supervisors.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { detachedEnvironment } from './detach.ts';
import { stoppingInOrder } from './stop-signals.ts';

/** The folder at the start, before `--workdir` changes it. */
const folder = process.cwd();
/** Variable with the id of the process that restarts its child on request. */
const parentVariable = 'UMBEL_RESTARTED_BY';
/** The exit code by which a child asks for a restart. */
const againCode = 79;
const passedOn = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const;
const stops = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;

/** Whether to start again at the end. */
interface Hangup extends Disposable {
  readonly wanted: boolean;
  /** From now on a stop signal after SIGHUP cancels the restart. Before this call, a stop signal ends the process. */
  obeyStops(): void;
}

/**
 * Listens to SIGHUP, unless the command runs in a terminal: as in Celery, a terminal that is closed must not leave a worker in the
 * background. (The worker itself ends its running tasks.)
 */
export function listenToHangup(isTerminal: boolean = process.stdout.isTTY): Hangup {
  let wanted = false;
  const hangup = (): void => {
    wanted = true;
  };
  // All handlers are removed at the first stop signal, so that signals after a cold shutdown find the default handlers.
  const off = (): void => {
    process.off('SIGHUP', hangup);
    for (const signal of stops) process.off(signal, stop);
  };
  const stop = (): void => {
    wanted = false;
    off();
  };
  if (!isTerminal) process.on('SIGHUP', hangup);
  return {
    get wanted() {
      return wanted;
    },
    obeyStops() {
      for (const signal of stops) process.on(signal, stop);
    },
    [Symbol.dispose]: off,
  };
}

/**
 * Starts this program again with the same arguments. Node 22.15 and later replace the process. In earlier versions the process stays as the
 * parent of the new process, passes signals on to it, and ends with it. Returns the exit code. `exec`: the function that replaces the process,
 * if the runtime has one.
 */
export async function startAgain(exec: unknown = Reflect.get(process, 'execve')): Promise<number> {
  const args = [...process.execArgv, ...process.argv.slice(1)];
  if (typeof exec === 'function') {
    process.chdir(folder);
    await flushed();
    Reflect.apply(exec, process, [
      process.execPath,
      [process.execPath, ...args],
      { ...process.env, ...detachedEnvironment() },
    ]);
  }
  if (process.env[parentVariable] === String(process.ppid)) return againCode;
  using _ordered = stoppingInOrder(); // this process ends when the child ends
  for (;;) {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, ...detachedEnvironment(), [parentVariable]: String(process.pid) },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'], // by the channel the child notices the end of this process
    });
    const code = await endOf(child);
    if (code !== againCode) return code;
  }
}

async function endOf(child: ChildProcess): Promise<number> {
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of passedOn) process.on(signal, pass);
  try {
    const [code, signal]: [number | null, NodeJS.Signals | null] = (await once(child, 'exit')) as never; // by Node's documentation
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    for (const signal of passedOn) process.off(signal, pass);
  }
}

function flushed(): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write('', () => process.stderr.write('', () => resolve()));
  });
}
