// The log of the long-running commands: one line each on stderr, JSON for programs or text for people.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DestinationStream, Level, LoggerOptions, Logger as Pino } from 'pino';
import { wantsColors } from './output.ts';
import { redacted } from './redact.ts';

export type LogFormat = 'json' | 'pretty';

/** What the command line says of logging. */
export interface LoggingChoices {
  readonly loglevel: Level;
  readonly logFormat?: LogFormat;
}

/** Declares them on a command. */
export function withLoggingOptions(command: Command): void {
  command
    .option('-l, --loglevel <level>', 'debug, info, warning, error or critical.', logLevel, 'info')
    .addOption(
      new Option(
        '--log-format <format>',
        'Text or JSON on stderr; default: text on a terminal, else JSON.',
      ).choices(['pretty', 'json']),
    );
}

export interface LoggingOptions {
  readonly level: Level;
  readonly format: LogFormat;
  readonly color?: boolean;
  /** Fields put into every line while a task runs: its id and name. */
  readonly mixin?: () => object;
}

/** Makes a logger to stderr. Passwords in URLs never reach it. */
export async function createLogger(options: LoggingOptions): Promise<Pino> {
  const { destination, pino } = await import('pino');
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    hooks: { streamWrite: redacted },
    ...(options.mixin ? { mixin: options.mixin } : {}),
  };
  const stream =
    options.format === 'json' ? destination({ dest: 2, sync: true }) : await prettyStream(options);
  return pino(settings, stream);
}

/** Celery's names of levels, in any case: debug, info, warning, error, critical, fatal. */
export function logLevel(text: string): Level {
  const level = levels[text.toLowerCase()];
  if (!level) throw new InvalidArgumentError(`Levels are ${Object.keys(levels).join(', ')}.`);
  return level;
}

/** What was asked for; else text for a terminal, and JSON for everything else. */
export function logFormat(asked: LogFormat | undefined): LogFormat {
  return asked ?? (process.stderr.isTTY ? 'pretty' : 'json');
}

const levels: Readonly<Record<string, Level>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  critical: 'fatal',
  fatal: 'fatal',
};

async function prettyStream(options: LoggingOptions): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    sync: true,
    destination: 2,
    colorize: options.color !== false && wantsColors(process.stderr),
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    // The worker's sentences say these already; what a task logs gets them in front, as in Celery.
    ignore: 'task_id,task_name,hostname,runtime',
    messageFormat: (line, key) => withTask(line, String(line[key] ?? '')),
    singleLine: true,
  });
}

function withTask({ task_id: id, task_name: name }: Record<string, unknown>, message: string): string {
  return typeof id === 'string' && !message.includes(id) ? `${name}[${id}]: ${message}` : message;
}
