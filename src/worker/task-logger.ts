import { type Logger, loggerOf } from '../lib/logger.ts';

/**
 * A logger whose lines carry the task's id and name. The fields are put into each line and not into a child of the
 * logger: a pino `mixin` of `taskLogFields` is then overwritten by the same values instead of written twice.
 */
export function taskLogger(base: Logger, fields: object): Logger {
  return loggerOf({
    log: (level, more, message) => base[level]({ ...fields, ...more }, message),
    child: (more) => taskLogger(base, { ...fields, ...more }),
    isLevelEnabled: (level) => base.isLevelEnabled?.(level) ?? true,
  });
}
