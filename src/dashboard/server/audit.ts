// The audit log: one line of JSON for each action of a user, in a file beside the history. It is not part of the history, because the
// history deletes old records and may be unavailable. Several dashboards may append to the file: an append is atomic.
import { type FileHandle, open } from 'node:fs/promises';
import { Problem } from '../../http/problem.ts';
import { isRecord } from '../../lib/narrow.ts';

interface AuditEntry {
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

/** How much of a long log is read, from its end, bytes. */
const tailBytes = 1024 * 1024;
/** Maximum length of one value. 1,000 task ids fit. */
const maxTextLength = 65_536;

export class AuditLog {
  readonly #pathOf: () => Promise<string>;
  #path: Promise<string> | null = null;

  /** `pathOf` is called at the first use of the log. */
  constructor(pathOf: () => Promise<string>) {
    this.#pathOf = pathOf;
  }

  /** Resolves when the entry is on disk. @throws Problem 503 when it cannot be written */
  async add(entry: AuditEntry): Promise<void> {
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
      throw new Problem(503, 'the audit log cannot be written, so the action was not done; see the log', {
        cause,
      });
    }
  }

  /** The newest entries, newest first. */
  async list(limit: number): Promise<readonly AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for (const line of (await this.#tail()).split('\n').reverse()) {
      if (entries.length >= limit) break;
      const entry = entryOf(line);
      if (entry !== null) entries.push(entry);
    }
    return entries;
  }

  #where(): Promise<string> {
    this.#path ??= this.#pathOf();
    this.#path.catch(() => {
      this.#path = null;
    });
    return this.#path;
  }

  async #tail(): Promise<string> {
    let file: FileHandle;
    try {
      file = await open(await this.#where(), 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(Math.min(size, tailBytes));
      await file.read(bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString('utf8');
    } finally {
      await file.close();
    }
  }
}

/** Whether the last line is incomplete, because a dashboard died while it wrote. The next entry must begin on a new line. */
async function endsWithinLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() !== '\n';
}

/** Null: an incomplete line, at the start of the part that was read or after a crash. */
function entryOf(line: string): AuditEntry | null {
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
