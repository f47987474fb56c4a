// `worker -B`: a beat in a separate process beside the worker, so that no task can block it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Logger } from '../lib/logger.ts';
import type { CommonOptions } from './common.ts';
import type { LogFormat } from './logging.ts';

/** After this delay, milliseconds, a crashed beat is started again, and a beat that does not stop is killed. */
const restartMs = 2000;
const endMs = 10_000;

interface EmbeddedBeatOptions extends CommonOptions {
  readonly loglevel: string;
  readonly format: LogFormat;
  /** The path of its log file, already expanded. */
  readonly logfile?: string;
}

/** Starts a beat, and restarts it when it crashes. Dispose to end it. */
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
      // 0: it stopped at a signal, such as the Ctrl-C that this process gets, too.
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

/** The beat's arguments. --workdir is not among them: the child inherits the folder. */
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
