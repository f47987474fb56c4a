// A process that `umbel dev` has started: of one of our commands, or a program of the user's.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { systemClock } from '../../lib/clock.ts';
import { atMost } from '../../lib/deadline.ts';
import { type News, newsOf } from '../parent.ts';

export interface DevChild {
  signal(signal: 'SIGTERM' | 'SIGQUIT'): void;
  /** Ends it at once, with the processes of its pool. */
  kill(): void;
}

export interface ChildEvents {
  /** A line of its output. */
  line(text: string): void;
  news(news: News): void;
  /** Its last event. */
  ended(code: number | null, signal: NodeJS.Signals | null): void;
}

/** Starts one of our commands with these arguments, or a command of the user's by the shell. */
export type Launch = (what: readonly string[] | string, events: ChildEvents) => DevChild;

/** How long its last lines may come after its end, milliseconds: a process that it left behind may keep its output open. */
const lastWordsMs = 500;

interface LaunchOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Of the user's programs, which do not read .env by themselves: asked for at each start. */
  readonly ownEnv: () => NodeJS.ProcessEnv;
  /** How long a program may take to stop, milliseconds. */
  readonly stopMs: number;
}

export function launcher({ env, ownEnv, stopMs }: LaunchOptions): Launch {
  return (what, events) => {
    const isOwn = typeof what === 'string';
    // A group of its own: a Ctrl-C of the terminal reaches it through us, once. By the channel it notices our end, and by the pipe after it
    // (parentPipe) a worker that is blocked, or the guard of a program of the user's.
    const options: SpawnOptions = { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'] };
    const child = isOwn
      ? spawn(guarded(what, stopMs), { ...options, shell: true, env: ownEnv() })
      : spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...what], { ...options, env });
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', events.line);
    child.on('message', (message) => {
      const news = newsOf(message);
      if (news !== null) events.news(news);
    });
    child.on('error', (error) => events.line(`umbel: ${error.message}`));
    if (child.pid === undefined) queueMicrotask(() => events.ended(null, null)); // it cannot be started
    child.once('exit', (code, signal) => {
      if (isOwn) toGroup(child, 'SIGKILL'); // the guard, and what the command has left behind
      const closed = once(child, 'close').catch(() => undefined);
      void atMost(lastWordsMs, closed, systemClock).then(() => events.ended(code, signal));
    });
    return {
      signal(signal) {
        if (!isOwn) child.kill(signal);
        // To others than us SIGQUIT means a core dump.
        else toGroup(child, signal === 'SIGQUIT' ? 'SIGKILL' : signal);
      },
      kill: () => toGroup(child, 'SIGKILL'),
    };
  };
}

/**
 * A command for the shell, with a guard beside it that ends both when we are killed: the system then closes the pipe whose other end only we
 * hold. A SIGTERM goes to the whole group; the shell waits for the command, which may take its time.
 */
function guarded(command: string, stopMs: number): string {
  if (process.platform === 'win32') return command;
  const guard = `trap '' TERM; read -r _ <&4; kill -TERM 0; sleep ${Math.ceil(stopMs / 1000)}; kill -KILL 0`;
  return `trap : TERM\n(${guard}) > /dev/null 2>&1 & exec 4<&-\n${command}`;
}

function toGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    child.kill(signal); // the group is gone, or the system has none
  }
}
