import type { Logger } from '../lib/logger.ts';

/**
 * A logger whose lines carry the task's id and name. The fields are put into each line and not into a child of the
 * logger: a pino `mixin` of `taskLogFields` is then overwritten by the same values instead of written twice.
 */
export class TaskLogger implements Logger {
  readonly #base: Logger;
  readonly #fields: object;

  constructor(base: Logger, fields: object) {
    this.#base = base;
    this.#fields = fields;
  }

  debug(fields: object, message: string): void {
    this.#base.debug({ ...this.#fields, ...fields }, message);
  }

  info(fields: object, message: string): void {
    this.#base.info({ ...this.#fields, ...fields }, message);
  }

  warn(fields: object, message: string): void {
    this.#base.warn({ ...this.#fields, ...fields }, message);
  }

  error(fields: object, message: string): void {
    this.#base.error({ ...this.#fields, ...fields }, message);
  }

  child(fields: object): Logger {
    return new TaskLogger(this.#base, { ...this.#fields, ...fields });
  }

  isLevelEnabled(level: string): boolean {
    return this.#base.isLevelEnabled?.(level) ?? true;
  }
}
