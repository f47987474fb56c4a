import { type Logger, loggerOf } from '../lib/logger.ts';

/** A logger that may fail: a full log must not cost a task. What it throws is dropped, with the line. */
export function tolerantLogger(base: Logger): Logger {
  return loggerOf({
    log: (level, fields, message) => {
      try {
        base[level](fields, message);
      } catch {
        // There is nowhere left to say it.
      }
    },
    child: (fields) => tolerantLogger(base.child(fields)),
    isLevelEnabled: (level) => base.isLevelEnabled?.(level) ?? true,
  });
}
