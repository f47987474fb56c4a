import type { Logger } from '../lib/logger.ts';

/** A logger that may fail: a full log must not cost a task. What it throws is dropped, with the line. */
export class TolerantLogger implements Logger {
  readonly #base: Logger;

  constructor(base: Logger) {
    this.#base = base;
  }

  debug(fields: object, message: string): void {
    this.#try('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#try('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#try('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#try('error', fields, message);
  }

  child(fields: object): Logger {
    return new TolerantLogger(this.#base.child(fields));
  }

  isLevelEnabled(level: string): boolean {
    return this.#base.isLevelEnabled?.(level) ?? true;
  }

  #try(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    try {
      this.#base[level](fields, message);
    } catch {
      // There is nowhere left to say it.
    }
  }
}
