// Starting a child: a process, or a thread of this process.
import { fork, type StdioOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PoolError } from '../../errors.ts';
import { builtFile } from '../../lib/built-file.ts';
import { type ChildData, type FromChild, ignoredSignals, type ToChild } from './child/messages.ts';
import { parentPipe } from './child/orphan.ts';

/** A child, seen from its pool. */
export interface Child {
  /** Null for a thread. */
  readonly pid: number | null;
  /** The thread's number; null for a process. */
  readonly thread: number | null;
  post(message: ToChild): void;
  /** Ends it at once, whatever it is doing. */
  kill(): void;
  /** Sends it this signal. False: it is a thread, which takes no signals. */
  signal(signum: number): boolean;
}

interface ChildEvents {
  onMessage(message: FromChild): void;
  /** It has exited; `how` describes it for people. Called once. */
  onExit(how: string): void;
}

export type Spawn = (data: ChildData, events: ChildEvents) => Child;

/** The program of a child, found on first use: a bundle has no such file. @throws PoolError */
function childProgram(): URL {
  const url = builtFile('worker/pools/child/main.js');
  if (url === null || !existsSync(url))
    throw new PoolError(
      "the pools 'threads' and 'processes' start a file of umbel's own, and a bundle has none: leave umbel out of the bundle (esbuild: --external:umbel, or --packages=external), or use the pool 'async'",
    );
  return url;
}

/** `fork`'s default, and the pipe that tells a child of our death. */
const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'ipc'];
stdio[parentPipe] = 'pipe';

/** Starts a process: it can be killed without harm to others, whatever its code holds. */
export const spawnProcess: Spawn = (data, { onMessage, onExit }) => {
  const child = fork(childProgram(), {
    execArgv: process.execArgv.filter(isHarmless),
    serialization: 'advanced',
    stdio,
  });
  const pipe = child.stdio[parentPipe];
  if (pipe instanceof Socket) pipe.on('error', () => undefined).unref();
  let over = false;
  const exit = (how: string): void => {
    if (over) return;
    over = true;
    onExit(how);
  };
  child.on('message', (message) => onMessage(message as FromChild)); // our own program's
  child.on('error', (error) => {
    if (child.pid === undefined) exit(`it could not be started: ${error.message}`);
  });
  child.on('exit', (code, signal) => exit(signal === null ? `exit code ${code}` : `signal ${signal}`));
  child.send(data, () => undefined);
  return {
    pid: child.pid ?? null,
    thread: null,
    post: (message) => void (child.connected && child.send(message, () => undefined)),
    kill: () => void child.kill('SIGKILL'),
    signal: (signum) => {
      const name = ignoredSignals.find((each) => constants.signals[each] === signum);
      if (name === undefined) child.kill(signum);
      else if (child.connected)
        child.send({ kind: 'raise', signal: name } satisfies ToChild, () => undefined);
      return true;
    },
  };
};

/** Starts a thread: faster, and smaller; a user's native add-on may not survive it when the thread is killed. */
export const spawnThread: Spawn = (data, { onMessage, onExit }) => {
  const thread = new Worker(childProgram(), { workerData: data });
  let reason: string | null = null;
  thread.on('message', (message) => onMessage(message as FromChild)); // our own program's
  thread.on('error', (error: unknown) => {
    reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  });
  thread.on('exit', (code) => onExit(reason ?? `exit code ${code}`));
  return {
    pid: null,
    thread: thread.threadId,
    post: (message) => thread.postMessage(message),
    kill: () => void thread.terminate(),
    signal: () => false,
  };
};

/** False for options of the worker's own process that would disturb another: a debugger's port, a profile's file. */
function isHarmless(option: string): boolean {
  return !/^--(?:inspect|cpu-prof|heap-prof|prof|test)/.test(option);
}
