// A process of one of our commands, started by `umbel dev`.
import { spawn } from 'node:child_process';
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

/** Starts one of our commands with these arguments. */
export type Launch = (args: readonly string[], events: ChildEvents) => DevChild;

/** How long its last lines may come after its end, milliseconds: a process that it left behind may keep its output open. */
const lastWordsMs = 500;

export function launcher(env: NodeJS.ProcessEnv): Launch {
  return (args, events) => {
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...args], {
      env,
      // A group of its own: a Ctrl-C of the terminal reaches it through us, once. By the channel it notices our end, and by the pipe after it
      // (parentPipe) a worker that is blocked.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', events.line);
    child.on('message', (message) => {
      const news = newsOf(message);
      if (news !== null) events.news(news);
    });
    child.on('error', (error) => events.line(`umbel: ${error.message}`));
    if (child.pid === undefined) queueMicrotask(() => events.ended(null, null)); // it cannot be started
    child.once('exit', (code, signal) => {
      const closed = once(child, 'close').catch(() => undefined);
      void atMost(lastWordsMs, closed, systemClock).then(() => events.ended(code, signal));
    });
    return {
      signal: (signal) => void child.kill(signal),
      kill() {
        try {
          process.kill(-(child.pid ?? 0), 'SIGKILL');
        } catch {
          child.kill('SIGKILL'); // the group is gone, or the system has none
        }
      },
    };
  };
}
