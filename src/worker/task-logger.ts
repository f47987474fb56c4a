import { type Logger, loggerOf } from '../lib/logger.ts';

/**
 * A logger whose lines carry the task's id and name. The fields are added to each line, not to a child logger: the same fields of a pino `mixin`
 * (`taskLogFields`) then replace them, where a child would write them twice.
 */
export function taskLogger(base: Logger, fields: object): Logger {
  return loggerOf({
    log: (level, more, message) => base[level]({ ...fields, ...more }, message),
    child: (more) => taskLogger(base, { ...fields, ...more }),
    isLevelEnabled: (level) => base.isLevelEnabled?.(level) ?? true,
  });
}
