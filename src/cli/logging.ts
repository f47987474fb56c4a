// The log of the long-running commands: lines on stderr, as JSON for programs or as text for people.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Level, LoggerOptions, Logger as Pino } from 'pino';
import type { Config } from '../config/config.ts';
import { redacted } from '../lib/redact.ts';
import { formattedLines, type LineFormats, lineFormatsOf, plainLines } from './log-lines.ts';
import { wantsColors } from './output.ts';
import { ownFileMode } from './own-files.ts';
import { cleanJson, cleanTexts } from './terminal/clean.ts';

export type LogFormat = 'json' | 'pretty';

/** The logging options of the command line. */
export interface LoggingChoices {
  readonly loglevel: Level;
  readonly logFormat?: LogFormat;
  readonly logfile?: string;
}

/** Declares the logging options on a command. */
export function withLoggingOptions(command: Command): void {
  command
    .option('-l, --loglevel <level>', 'debug, info, warning, error or critical.', logLevel, 'info')
    .addOption(
      new Option(
        '--log-format <format>',
        'Text or JSON on stderr; default: text on a terminal, else JSON.',
      ).choices(['pretty', 'json']),
    )
    .option('-f, --logfile <file>', 'Log to this file: %n name, %h host, %d domain. Rotation is supported.');
}

interface LoggingOptions {
  readonly level: Level;
  readonly format: LogFormat;
  readonly color?: boolean;
  /** A file instead of stderr. It is reopened after it was moved. */
  readonly file?: string;
  /** The formats of lines of text; default: our own form. */
  readonly lines?: LineFormats | null;
  /** Fields for each line that is logged while a task runs: the task's id and name. */
  readonly mixin?: () => object;
}

/** Creates a logger to stderr or to a file. It hides passwords in URLs. */
export async function createLogger(options: LoggingOptions): Promise<Pino> {
  const { default: pino } = await import('pino');
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    hooks: {
      streamWrite:
        options.format === 'json'
          ? (line) => cleanJson(redacted(line))
          : (line) => cleanTexts(redacted(line)),
    },
    ...(options.mixin ? { mixin: options.mixin } : {}),
  };
  const { file } = options;
  const target =
    file === undefined
      ? pino.destination({ dest: 2, sync: true })
      : pino.destination({ dest: file, sync: true, append: true, mkdir: true, mode: ownFileMode });
  if (file !== undefined) {
    const { watchFile } = await import('./log-file.ts');
    watchFile(file, () => target.reopen());
  }
  const { lines = null } = options;
  const stream =
    options.format === 'json'
      ? target
      : lines === null
        ? plainLines(target, isColored(options))
        : formattedLines(lines, target, isColored(options));
  return pino(settings, stream);
}

/** The path of `--logfile` for a node of this name; undefined: stderr. */
export async function logFileOf(
  { logfile }: LoggingChoices,
  node: string,
): Promise<{ readonly file?: string }> {
  if (logfile === undefined) return {};
  const { expandPath } = await import('./log-file.ts');
  return { file: expandPath(logfile, node) };
}

/** Writes the `--pidfile` of a node of this name; undefined: there is none. @throws PidFileTaken */
export async function pidFileOf(pidfile: string | undefined, node: string): Promise<Disposable | undefined> {
  if (pidfile === undefined) return undefined;
  const { expandPath, writePidFile } = await import('./log-file.ts');
  return writePidFile(expandPath(pidfile, node));
}

/** Reads Celery's names of levels, in any case: debug, info, warning, error, critical, fatal. */
export function logLevel(text: string): Level {
  const level = levels[text.toLowerCase()];
  if (!level) throw new InvalidArgumentError(`Levels are ${Object.keys(levels).join(', ')}.`);
  return level;
}

/** The requested format; by default text on a terminal, and JSON elsewhere. */
export function logFormat(asked: LogFormat | undefined, file?: string): LogFormat {
  return asked ?? (file === undefined && process.stderr.isTTY ? 'pretty' : 'json');
}

/** The form of a worker's or beat's log: by the command line, then by the settings of its App. A setting with a format of lines means text. */
export function logFormOf(
  { logFormat: asked, logfile, color }: LoggingChoices & { readonly color?: boolean },
  config: Config,
): Pick<LoggingOptions, 'format' | 'lines' | 'color'> {
  const lines = lineFormatsOf(config);
  return {
    format: asked ?? (lines === null ? logFormat(undefined, logfile) : 'pretty'),
    lines,
    color: color !== false && config.workerLogColor !== false,
  };
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

function isColored({ file, color }: LoggingOptions): boolean {
  return file === undefined && color !== false && wantsColors(process.stderr);
}
