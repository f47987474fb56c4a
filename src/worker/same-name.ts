import type { Logger } from '../lib/logger.ts';

/** Celery's DuplicateNodenameWarning. */
export function logSameName(name: string, logger: Logger): void {
  logger.warn(
    { node: name },
    `another worker is named ${name}, or one of this name died a moment ago. Of two workers with one name, status, inspect and events show only one: give each a name of its own, -n name@%h`,
  );
}
