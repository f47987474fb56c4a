// The audit log of the dashboard's users: that of the application, whose store keeps it. A file, with one line of JSON for each action, has a copy if
// the dashboard's options name it, and has the log where no store can keep it.
import { type FileHandle, open } from 'node:fs/promises';
import type { AuditLog } from '../../app/audit.ts';
import { BrokerUnavailable } from '../../errors.ts';
import { Problem } from '../../http/problem.ts';
import { isRecord } from '../../lib/narrow.ts';

export interface AuditLine {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly user: string;
  readonly role: string;
  /** `worker.shutdown`. */
  readonly action: string;
  /** The worker, task or queue. */
  readonly target: string;
  /** Empty: no reason was given. */
  readonly reason: string;
  /** The client's address; empty: unknown. */
  readonly address: string;
}

/** Some entries of the log. */
export interface AuditPage {
  /** The newest first. */
  readonly entries: readonly AuditLine[];
  /** `before` of the next page; null: these are the oldest entries. */
  readonly next: number | null;
}

export class DashboardAudit {
  readonly #log: AuditLog;
  readonly #file: AuditFile;
  readonly #copies: boolean;

  /** `copies`: all lines are written into the file, too. */
  constructor(log: AuditLog, file: AuditFile, copies: boolean) {
    this.#log = log;
    this.#file = file;
    this.#copies = copies;
  }

  /** Resolves when it is kept. @throws Problem 503 when it cannot be written */
  async add(line: AuditLine): Promise<void> {
    const isKept = await this.#isKept();
    if (this.#copies || !isKept) await this.#file.add(line);
    if (!isKept) return;
    const { user, role, address, reason, action, target } = line;
    try {
      await this.#log.as({ user, role, address, reason }, () => this.#log.record(action, target));
    } catch (cause) {
      throw cannotWrite(cause);
    }
  }

  /** The page after the number, or the byte of the file, `before`. @throws BrokerUnavailable */
  async list({ limit, before = null }: { limit: number; before?: number | null }): Promise<AuditPage> {
    if (!(await this.#isKept())) return this.#file.list({ limit, before });
    const found = await this.#log.list({ limit: limit + 1, ...(before !== null && { before }) });
    const entries = found
      .slice(0, limit)
      .map(({ id: _, at, ...entry }) => ({ ...entry, at: at.toISOString() }));
    return { entries, next: found.length > limit ? (found[limit - 1]?.id ?? null) : null };
  }

  /** @throws Problem 503 */
  async #isKept(): Promise<boolean> {
    try {
      return await this.#log.isKept();
    } catch (cause) {
      throw cannotWrite(cause);
    }
  }
}

/** A store that is away is named; other errors are for the log only. */
function cannotWrite(cause: unknown): Problem {
  const why = cause instanceof BrokerUnavailable ? `: ${cause.message}` : '; see the log';
  return new Problem(503, `the audit log cannot be written, so the action was not done${why}`, { cause });
}

/** Maximum length of one value. 1,000 task ids fit. */
const maxTextLength = 65_536;
/** How much of the log is read for a page, bytes. The longest possible entry fits: seven values, whose characters JSON may write as `\u0000`. */
const pageBytes = 4 * 1024 * 1024;

/** Lines of JSON in a file. Several dashboards may append to it: an append is atomic. */
export class AuditFile {
  readonly #pathOf: () => Promise<string>;
  #path: Promise<string> | null = null;

  /** `pathOf` is called at the first use of the log. */
  constructor(pathOf: () => Promise<string>) {
    this.#pathOf = pathOf;
  }

  /** Resolves when the entry is on disk. @throws Problem 503 when it cannot be written */
  async add(entry: AuditLine): Promise<void> {
    const cut = Object.entries(entry).map(([name, value]) => [name, String(value).slice(0, maxTextLength)]);
    try {
      const file = await open(await this.#where(), 'a+', 0o600);
      try {
        const line = `${JSON.stringify(Object.fromEntries(cut))}\n`;
        await file.appendFile((await endsWithinLine(file)) ? `\n${line}` : line);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw cannotWrite(cause);
    }
  }

  /** Reads backwards from the byte `before`, or from the end of the log. */
  async list({ limit, before = null }: { limit: number; before?: number | null }): Promise<AuditPage> {
    const { bytes, from } = await this.#read(before);
    const entries: AuditLine[] = [];
    let end = bytes.length;
    while (end > 0 && entries.length < limit) {
      const start = end < 2 ? 0 : bytes.lastIndexOf(newline, end - 2) + 1; // a negative offset would count from the end
      if (start === 0 && from > 0) break; // the first part of this line was not read
      const entry = entryOf(bytes.toString('utf8', start, end));
      if (entry !== null) entries.push(entry);
      end = start;
    }
    const isOldest = from + end === 0 || end === bytes.length;
    return { entries, next: isOldest ? null : from + end };
  }

  #where(): Promise<string> {
    this.#path ??= this.#pathOf();
    this.#path.catch(() => {
      this.#path = null;
    });
    return this.#path;
  }

  /** The last bytes before `before`; they begin at `from`. */
  async #read(before: number | null): Promise<{ readonly bytes: Buffer; readonly from: number }> {
    let file: FileHandle;
    try {
      file = await open(await this.#where(), 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        return { bytes: Buffer.alloc(0), from: 0 };
      throw error;
    }
    try {
      const { size } = await file.stat();
      const end = Math.min(before ?? size, size);
      const from = Math.max(0, end - pageBytes);
      const bytes = Buffer.alloc(end - from);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
      return { bytes: bytes.subarray(0, bytesRead), from };
    } finally {
      await file.close();
    }
  }
}

const newline = 0x0a;

/** Whether the last line is incomplete, because a dashboard died while it wrote. The next entry must begin on a new line. */
async function endsWithinLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() !== '\n';
}

/** Null: an incomplete line, after a crash. */
function entryOf(line: string): AuditLine | null {
  try {
    const entry: unknown = JSON.parse(line);
    if (!isRecord(entry)) return null;
    const text = (name: string): string => String(entry[name] ?? '');
    return {
      at: text('at'),
      user: text('user'),
      role: text('role'),
      action: text('action'),
      target: text('target'),
      reason: text('reason'),
      address: text('address'),
    };
  } catch {
    return null;
  }
}
