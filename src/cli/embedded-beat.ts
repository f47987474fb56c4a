// `worker -B`: a beat beside the worker, in a process of its own, which no task can block.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Logger } from '../lib/logger.ts';
import type { CommonOptions } from './common.ts';
import type { LogFormat } from './logging.ts';

/** Until a beat that has crashed is started again, and until one that does not end is killed. Milliseconds. */
const restartMs = 2000;
const endMs = 10_000;

interface EmbeddedBeatOptions extends CommonOptions {
  readonly loglevel: string;
  readonly format: LogFormat;
  /** As it is to be opened. */
  readonly logfile?: string;
}

/** Starts it, and starts it again when it crashes. Dispose to end it. */
export function embeddedBeat(options: EmbeddedBeatOptions, logger: Logger): AsyncDisposable {
  let child: ChildProcess | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isOver = false;
  const begin = (): void => {
    const started = spawn(
      process.execPath,
      [...process.execArgv, process.argv[1] ?? '', ...argumentsOf(options)],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    child = started;
    started.on('error', (error) => logger.error({ err: error }, 'the beat cannot be started'));
    started.on('exit', (code, signal) => {
      // 0: it was told to stop, by the same Ctrl-C as we.
      if (isOver || code === 0) return;
      logger.error({ code, signal }, 'the beat has ended; it is started again');
      timer = setTimeout(begin, restartMs);
    });
  };
  begin();
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      if (timer !== null) clearTimeout(timer);
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child?.kill('SIGKILL'), endMs);
      await ended;
      clearTimeout(late);
    },
  };
}

/** The folder was changed already, and so it is the child's. */
function argumentsOf(options: EmbeddedBeatOptions): readonly string[] {
  const { app, broker, resultBackend, loglevel, format, color, debug, logfile } = options;
  return [
    'beat',
    '--embedded',
    ...(app === undefined ? [] : ['-A', app]),
    ...(broker === undefined ? [] : ['-b', broker]),
    ...(resultBackend === undefined ? [] : ['--result-backend', resultBackend]),
    '-l',
    loglevel === 'warn' ? 'warning' : loglevel,
    '--log-format',
    format,
    ...(logfile === undefined ? [] : ['--logfile', logfile]),
    ...(color === false ? ['--no-color'] : []),
    ...(debug === true ? ['--debug'] : []),
  ];
}
