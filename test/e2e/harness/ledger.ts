// What really happened, written down outside the system under test: senders and tasks append to files of their own,
// so that nothing is ever counted with the store that is being tested.
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** One line of a ledger. `at` is in milliseconds since 1970; all processes are on one machine. */
export type Entry =
  /** A sender is about to send. `eta`: not to run before. */
  | { readonly kind: 'invoke'; readonly id: string; readonly at: number; readonly eta?: number }
  /** The send returned: from here on the task must not be lost. */
  | { readonly kind: 'ok'; readonly id: string; readonly at: number }
  /** The send threw. */
  | { readonly kind: 'fail'; readonly id: string; readonly at: number; readonly error: string }
  /** A task's body began. `run` is fresh for each begin, `retries` is what the message said. */
  | {
      readonly kind: 'start';
      readonly id: string;
      readonly run: string;
      readonly pid: number;
      readonly at: number;
      readonly retries: number;
    }
  /** It came to its last line. What it returns is its run. */
  | {
      readonly kind: 'end';
      readonly id: string;
      readonly run: string;
      readonly pid: number;
      readonly at: number;
    }
  /** The test did something to a worker: begun at `at`, over (it was dead, it ran on) at `until`. */
  | {
      readonly kind: 'fault';
      readonly fault: Fault;
      readonly pid: number;
      readonly at: number;
      readonly until: number;
    };

/** `kill`: -9. `term`: asked to stop. `stop`: SIGSTOP for longer than the lease, then SIGCONT. `outage`: its broker was away. */
export type Fault = 'kill' | 'term' | 'stop' | 'outage';

/** Longer lines are not written in one piece by every system. */
const longestLine = 4096;

/** A file that lines are appended to. When `write` returns the system has the line: no kill of the writer takes it back. */
export class Ledger {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a'); // O_APPEND: writers never overwrite each other
  }

  write(entry: Entry): void {
    const line = `${JSON.stringify(entry)}\n`;
    if (line.length > longestLine) throw new RangeError(`a ledger line of ${line.length} characters`);
    writeSync(this.#file, line);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** All ledgers of a folder (those whose names end so), in order of time. A last line cut short by a kill is left out. */
export function readLedgers(folder: string, ending = '.ledger'): Entry[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(ending));
  const entries = files.flatMap((name) => parseLedger(readFileSync(join(folder, name), 'utf8')));
  return entries.sort((a, b) => a.at - b.at);
}

/** All ledgers of a folder, for who looks again and again: each line is read once. */
export class LedgerFolder {
  readonly #folder: string;
  readonly #files = new Map<string, GrowingFile>();
  #entries: Entry[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** In order of time. */
  read(): readonly Entry[] {
    const news = readdirSync(this.#folder)
      .filter((name) => name.endsWith('.ledger'))
      .flatMap((name) => parseLedger(this.#file(name).more()));
    if (news.length > 0) this.#entries = [...this.#entries, ...news].sort((a, b) => a.at - b.at);
    return this.#entries;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }

  #file(name: string): GrowingFile {
    const known = this.#files.get(name) ?? new GrowingFile(join(this.#folder, name));
    this.#files.set(name, known);
    return known;
  }
}

class GrowingFile {
  readonly #file: number;
  readonly #chunk = Buffer.alloc(65_536);
  #at = 0;
  #rest = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = openSync(path, 'r');
  }

  /** The whole lines that have come. */
  more(): string {
    const pieces = [this.#rest];
    for (;;) {
      const count = readSync(this.#file, this.#chunk, 0, this.#chunk.length, this.#at);
      if (count === 0) break;
      this.#at += count;
      pieces.push(Buffer.from(this.#chunk.subarray(0, count)));
    }
    const all = Buffer.concat(pieces);
    const end = all.lastIndexOf('\n') + 1;
    this.#rest = all.subarray(end);
    return all.toString('utf8', 0, end);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The lines of one ledger. */
export function parseLedger(text: string): Entry[] {
  const lines = text.split('\n');
  lines.pop(); // what follows the last newline: nothing, or a line that was being written
  return lines.map((line) => JSON.parse(line) as Entry); // written by Ledger only
}
