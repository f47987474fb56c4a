import type { Logger } from '../../src/lib/logger.ts';

export interface LogLine {
  readonly level: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps its lines. */
export class MemoryLog implements Logger {
  readonly lines: LogLine[];
  readonly #fields: object;

  constructor(lines: LogLine[] = [], fields: object = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  debug(fields: object, text: string): void {
    this.#add('debug', fields, text);
  }
  info(fields: object, text: string): void {
    this.#add('info', fields, text);
  }
  warn(fields: object, text: string): void {
    this.#add('warn', fields, text);
  }
  error(fields: object, text: string): void {
    this.#add('error', fields, text);
  }
  child(fields: object): Logger {
    return new MemoryLog(this.lines, { ...this.#fields, ...fields });
  }

  /** The sentences of a level, or of all. */
  texts(level?: string): string[] {
    return this.lines.filter((line) => level === undefined || line.level === level).map((line) => line.text);
  }

  #add(level: string, fields: object, text: string): void {
    this.lines.push({ level, text, fields: { ...this.#fields, ...fields } });
  }
}
