// The results that were sent to this process: the newest of each task, until it expires or there is no room.
import { decodeUtf8 } from '../../../protocol/bytes.ts';
import { decodeResult } from '../../../protocol/result-codec.ts';
import { isReady } from '../../../protocol/result-meta.ts';

interface Kept {
  readonly meta: string;
  /** A record replaces one of a lower or the same rank: 0 has not ended, 1 has ended, 2 SUCCESS. */
  readonly rank: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** How many results are kept until they expire, if they are not asked for, and their characters in all. */
const maxResults = 100_000;
const maxSize = 256 * 1024 * 1024;
const sweepEveryMs = 10_000;

export class Arrived {
  readonly #keptMs: number | null;
  readonly #keptUnendedMs: number | null;
  /** In the order in which they were last written. */
  readonly #kept = new Map<string, Kept>();
  readonly #listeners = new Map<string, Set<() => void>>();
  #size = 0;
  readonly #sweeper: NodeJS.Timeout = setInterval(() => this.expire(Date.now()), sweepEveryMs).unref();

  /** How long records of tasks that have ended, or have not, are kept, milliseconds; null: for ever. */
  constructor(keptMs: number | null, keptUnendedMs: number | null) {
    this.#keptMs = keptMs;
    this.#keptUnendedMs = keptUnendedMs;
  }

  /** Takes a worker's message, whatever is in it. If it cannot be decoded, its task is kept as failed. */
  receive(body: Buffer, correlationId: string, contentType: string): void {
    const text = decodeUtf8(body);
    const decoded = text === undefined ? undefined : decodeResult(text, { keptAs: correlationId });
    if (text !== undefined && decoded?.ok) {
      const { taskId, status } = decoded.value;
      this.#keep(taskId, text, rankOf(status));
    } else if (correlationId !== '') {
      this.#keep(correlationId, `not JSON but ${contentType}`, 1);
    }
  }

  keep({ taskId, status }: { taskId: string; status: string }, meta: string): void {
    this.#keep(taskId, meta, rankOf(status));
  }

  /** The record, as text. */
  get(id: string): string | undefined {
    const kept = this.#kept.get(id);
    return kept === undefined || kept.expires <= Date.now() ? undefined : kept.meta;
  }

  /** Calls `listener` after each change, until the returned function is called. */
  listen(id: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id);
    };
  }

  forget(id: string): boolean {
    const wasThere = this.get(id) !== undefined;
    this.#drop(id);
    return wasThere;
  }

  expire(nowMs: number): number {
    let count = 0;
    for (const [id, { expires }] of this.#kept) {
      if (expires > nowMs) continue;
      this.#drop(id);
      count++;
    }
    return count;
  }

  close(): void {
    clearInterval(this.#sweeper);
    this.#kept.clear();
  }

  /** Celery never overwrites a SUCCESS; we also never set an ended task back to an unended state. */
  #keep(id: string, meta: string, rank: number): void {
    const nowMs = Date.now();
    const before = this.#kept.get(id);
    if (before !== undefined && before.expires > nowMs && (before.rank === 2 || before.rank > rank)) return;
    this.#drop(id);
    const keptMs = rank === 0 ? this.#keptUnendedMs : this.#keptMs;
    this.#kept.set(id, { meta, rank, expires: keptMs === null ? Number.POSITIVE_INFINITY : nowMs + keptMs });
    this.#size += meta.length;
    this.#makeRoom(id);
    for (const listener of [...(this.#listeners.get(id) ?? [])]) listener();
  }

  /** Drops the oldest results, but none that are waited for, nor the newest, however large. */
  #makeRoom(newest: string): void {
    if (this.#kept.size <= maxResults && this.#size <= maxSize) return;
    for (const id of this.#kept.keys()) {
      if (id !== newest && !this.#listeners.has(id)) this.#drop(id);
      if (this.#kept.size <= maxResults && this.#size <= maxSize) return;
    }
  }

  #drop(id: string): void {
    this.#size -= this.#kept.get(id)?.meta.length ?? 0;
    this.#kept.delete(id);
  }
}

function rankOf(status: string): number {
  return status === 'SUCCESS' ? 2 : isReady(status) ? 1 : 0;
}
