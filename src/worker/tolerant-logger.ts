import { type Logger, loggerOf } from '../lib/logger.ts';

/** A logger that may fail: a full log must not cost a task. An error is dropped, and the line with it. */
export function tolerantLogger(base: Logger): Logger {
  return loggerOf({
    log: (level, fields, message) => {
      try {
        base[level](fields, message);
      } catch {
        // There is no place left to report it.
      }
    },
    child: (fields) => tolerantLogger(base.child(fields)),
    isLevelEnabled: (level) => base.isLevelEnabled?.(level) ?? true,
  });
}
