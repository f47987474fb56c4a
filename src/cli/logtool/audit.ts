// Analyses the log of a worker: our JSON lines, our text, and the text of Python's workers. Pure.

import { stripVTControlCharacters } from 'node:util';

/** The outcome of a task by the log. */
type AuditedOutcome = 'succeeded' | 'failed' | 'retried' | 'other';

export interface AuditListener {
  /** The line of a task that ended without success. */
  onError?(line: string): void;
  /** The stack of an error, with the line that it belongs to. */
  onTrace?(text: string): void;
  /** Lines that do not belong to a task. */
  onOther?(line: string): void;
}

interface AuditReport {
  readonly total: number;
  readonly completed: number;
  readonly succeeded: number;
  readonly errors: number;
  readonly retries: number;
  /** How often each task was received, the most frequent first. */
  readonly types: readonly (readonly [name: string, count: number])[];
  /** Tasks that were received and did not end, in the order of receipt. */
  readonly incomplete: readonly { readonly id: string; readonly name: string }[];
}

const sentence = /\bTask ([\w.$-]+)\[([^\]\s]+)\]:? (.*)$/i;
const textStart = /^\[?\d{4}-\d\d-\d\d[ T]/;
const again =
  /^(?:retry\b|is not due|waits for|given back|rejected: .* back to the queue|exceeded its time limit of .*will run again|.*; it will run again)/i;

export class Audit {
  readonly #listener: AuditListener;
  readonly #names = new Map<string, string>();
  readonly #ended = new Map<string, AuditedOutcome>();
  readonly #types = new Map<string, number>();
  #retries = 0;
  #previous: string | null = null;

  constructor(listener: AuditListener = {}) {
    this.#listener = listener;
  }

  /** Adds a line of the log. */
  feed(given: string): void {
    const line = stripVTControlCharacters(given);
    if (line.trim() === '') return;
    const record = jsonOf(line);
    if (record !== null) this.#json(line, record);
    else if (textStart.test(line)) {
      this.#previous = line;
      this.#count(line, line);
    } else {
      this.#listener.onTrace?.(this.#previous === null ? line : `${this.#previous}\n${line}`);
      this.#previous = null;
    }
  }

  report(): AuditReport {
    const outcomes = [...this.#ended.values()];
    const errors = outcomes.filter((outcome) => outcome !== 'succeeded').length;
    return {
      total: this.#names.size,
      completed: outcomes.length,
      succeeded: outcomes.length - errors,
      errors,
      retries: this.#retries,
      types: [...this.#types].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)),
      incomplete: [...this.#names].filter(([id]) => !this.#ended.has(id)).map(([id, name]) => ({ id, name })),
    };
  }

  #json(line: string, record: Readonly<Record<string, unknown>>): void {
    const { msg, err } = record;
    this.#count(line, typeof msg === 'string' ? msg : '');
    if (typeof err === 'object' && err !== null && 'stack' in err && typeof err.stack === 'string')
      this.#listener.onTrace?.(`${String(msg)}\n${err.stack}`);
  }

  #count(line: string, message: string): void {
    const found = sentence.exec(message);
    const [, name = '', id = '', what = ''] = found ?? [];
    if (found === null) this.#listener.onOther?.(line);
    else if (/^received\b/i.test(what)) this.#received(id, name);
    else if (again.test(what)) this.#retries += /^retry\b/i.test(what) ? 1 : 0;
    else this.#end(line, id, what);
  }

  #received(id: string, name: string): void {
    // A retry or a redelivered message is received again, and counts once.
    if (!this.#names.has(id)) this.#types.set(name, (this.#types.get(name) ?? 0) + 1);
    this.#names.set(id, name);
    this.#ended.delete(id);
  }

  #end(line: string, id: string, what: string): void {
    const outcome: AuditedOutcome = /^succeeded\b/i.test(what)
      ? 'succeeded'
      : /^(?:failed|raised)/i.test(what)
        ? 'failed'
        : 'other';
    this.#ended.set(id, outcome);
    if (outcome !== 'succeeded') this.#listener.onError?.(line);
  }
}

function jsonOf(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null; // incomplete: the worker died while it wrote the line
  }
}
