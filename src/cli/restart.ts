// SIGHUP: the same command line once more, in place, when what runs has ended. The process's id stays, for whoever watches it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { detachedEnvironment } from './detach.ts';
import { stoppingInOrder } from './stop-signals.ts';

/** Before anything changes the folder. */
const folder = process.cwd();
/** Names the process that starts its child again when that asks for it. */
const parentVariable = 'UMBEL_RESTARTED_BY';
/** By this exit code. */
const againCode = 79;
const passedOn = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1'] as const;
const stops = ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const;

/** Whether to start again at the end. */
interface Hangup extends Disposable {
  readonly wanted: boolean;
  /** From now on a signal to stop that comes after it is obeyed instead. Before, it ends the process. */
  obeyStops(): void;
}

/**
 * Listens to SIGHUP, unless a terminal is there: as in Celery, one that is closed must not leave a worker in the background.
 * (Ending what runs is the worker's own affair.)
 */
export function listenToHangup(isTerminal: boolean = process.stdout.isTTY): Hangup {
  let wanted = false;
  const hangup = (): void => {
    wanted = true;
  };
  // All go at the first signal to stop: what comes after a cold shutdown must find the default handlers.
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
 * Starts this program again, with the arguments it was started with. Node 22.15 replaces the process; before that the process stays as
 * the parent of the new one, passes signals on to it, and ends with it. Returns the exit code to end with. `exec`: what replaces the process,
 * if there is such a thing.
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
  using _ordered = stoppingInOrder(); // the child's end is ours
  for (;;) {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, ...detachedEnvironment(), [parentVariable]: String(process.pid) },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'], // with the channel it learns that we are gone
    });
    const code = await endOf(child);
    if (code !== againCode) return code;
  }
}

async function endOf(child: ChildProcess): Promise<number> {
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of passedOn) process.on(signal, pass);
  try {
    const [code, signal]: [number | null, NodeJS.Signals | null] = (await once(child, 'exit')) as never; // as Node says
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
