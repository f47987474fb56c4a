/** What Umbel needs of a logger. A pino logger is one. Fields first, then the sentence. */
export interface Logger {
  /** For those who look for an error. */
  debug(fields: object, message: string): void;
  /** For those who watch. */
  info(fields: object, message: string): void;
  /** Something may be wrong. */
  warn(fields: object, message: string): void;
  /** Something is wrong. */
  error(fields: object, message: string): void;
  /** A logger whose lines all have these fields. */
  child(fields: object): Logger;
  /** Whether lines of this level are written. Absent: all are. Lets the worker's hot path skip making a line. */
  isLevelEnabled?(level: string): boolean;
}

/** The logger of a task. It also takes a sentence without fields: `task.logger.info('sent to the bank')`. */
export interface TaskLogger extends Logger {
  /** For those who look for an error. */
  debug(message: string): void;
  debug(fields: object, message: string): void;
  /** For those who watch. */
  info(message: string): void;
  info(fields: object, message: string): void;
  /** Something may be wrong. */
  warn(message: string): void;
  warn(fields: object, message: string): void;
  /** Something is wrong. */
  error(message: string): void;
  error(fields: object, message: string): void;
  /** A logger whose lines all have these fields. */
  child(fields: object): TaskLogger;
}

/** A logger that writes nothing: the default of a program that only sends tasks. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
  isLevelEnabled: () => false,
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A logger that calls one function for all levels. */
export function loggerOf({
  log,
  child,
  isLevelEnabled,
}: Pick<Required<Logger>, 'child' | 'isLevelEnabled'> & {
  log(level: LogLevel, fields: object, message: string): void;
}): Logger {
  return {
    debug: (fields, message) => log('debug', fields, message),
    info: (fields, message) => log('info', fields, message),
    warn: (fields, message) => log('warn', fields, message),
    error: (fields, message) => log('error', fields, message),
    child,
    isLevelEnabled,
  };
}

const taskLoggers = new WeakSet<Logger>();

/** Lets a logger take sentences without fields. */
export function withSentences(logger: Logger): TaskLogger {
  if (isTaskLogger(logger)) return logger;
  const line =
    (level: LogLevel) =>
    (fields: object | string, message = ''): void =>
      typeof fields === 'string' ? logger[level]({}, fields) : logger[level](fields, message);
  const made: TaskLogger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (fields) => withSentences(logger.child(fields)),
    isLevelEnabled: (level) => logger.isLevelEnabled?.(level) ?? true,
  };
  taskLoggers.add(made);
  return made;
}

function isTaskLogger(logger: Logger): logger is TaskLogger {
  return taskLoggers.has(logger);
}
