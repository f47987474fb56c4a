import { type Logger, type LogLevel, loggerOf } from '../lib/logger.ts';

/**
 * A logger whose lines carry the task's id and name, and what middleware adds (`logFields`). The fields are added to each line, not to a child logger: the same fields of a pino `mixin`
 * (`taskLogFields`) then replace them, where a child would write them twice.
 * @param logged called with each line of a level that is logged
 */
export function taskLogger(
  base: Logger,
  fields: () => object,
  logged?: (level: LogLevel, message: string) => void,
): Logger {
  const isLevelEnabled = (level: string): boolean => base.isLevelEnabled?.(level) ?? true;
  return loggerOf({
    log: (level, more, message) => {
      base[level]({ ...fields(), ...more }, message);
      if (logged !== undefined && isLevelEnabled(level)) logged(level, message);
    },
    child: (more) => taskLogger(base, () => ({ ...fields(), ...more }), logged),
    isLevelEnabled,
  });
}
