// A result backend in the process's memory.

import { StoreError } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { decodeResult, encodeResult } from '../../protocol/result-codec.ts';
import { isReady, type ResultRecord, type TaskState } from '../../protocol/result-meta.ts';
import type { AuditStore } from '../audit-store.ts';
import type { ResultBackend, ResultBackendFeatures } from '../backend.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import { inOrder, type StoreWrite } from '../store-write.ts';
import { closeMemory, type MemoryStore, openMemory } from './memory.ts';
import { MemoryChords } from './memory-chords.ts';

interface MemoryBackendOptions {
  /** How long records are kept after the task ended, milliseconds; null = for ever. */
  readonly expiresMs: number | null;
  readonly clock?: Clock;
}

/** The record of a task that was sent and never ended is kept at least this long, milliseconds. */
const sentKeptMs = 7 * 24 * 3600 * 1000;

interface Kept {
  readonly status: TaskState;
  /** The record as text, as in other stores: a value that cannot be serialized is refused, and no object is shared. */
  readonly meta: string;
  readonly change: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** The records, which all backends of one store share. */
interface Records {
  readonly kept: Map<string, Kept>;
  /** Functions that wake the watchers of a record. */
  readonly watchers: Map<string, Set<() => void>>;
  count: number;
}

/** Opens the backend on the store of that name, which the whole process shares. */
export function openMemoryBackend(name: string, options: MemoryBackendOptions): ResultBackend {
  return new MemoryBackend(openMemory(name), options);
}

class MemoryBackend implements ResultBackend {
  readonly name = 'memory';
  readonly features: ResultBackendFeatures = {
    multiProcess: false,
    remembersSent: true,
    sweeps: true,
    chords: true,
  };
  readonly store: MemoryStore;
  readonly chords: MemoryChords;
  readonly #records: Records;
  readonly #expiresMs: number | null;
  readonly #clock: Clock;
  readonly #sweeper: NodeJS.Timeout;
  /** Functions that wake the watchers of this handle. */
  readonly #watching = new Set<() => void>();
  #closed = false;

  constructor(store: MemoryStore, { expiresMs, clock = systemClock }: MemoryBackendOptions) {
    this.store = store;
    this.#records = store.part('results', () => ({ kept: new Map(), watchers: new Map(), count: 0 }));
    this.#expiresMs = expiresMs;
    this.#clock = clock;
    this.chords = new MemoryChords(store, {
      hasEnded: (id) => isReady(this.#find(id)?.status ?? 'PENDING'),
      now: () => this.#clock.now(),
      expiryOfOpen: () => this.#expiryOf('PENDING'),
    });
    const everyMs = Math.min(60_000, Math.max(1_000, (expiresMs ?? sentKeptMs) / 10));
    this.#sweeper = setInterval(() => void this.expire(), everyMs).unref();
  }

  async put(record: ResultRecord): Promise<void> {
    this.writeOf(record).apply(undefined as never); // a store in memory has no transactions
  }

  writeOf(record: ResultRecord, ...more: readonly ResultRecord[]): StoreWrite {
    const meta = encodeResult(record);
    const write = { store: this.store, apply: () => this.#put(record, meta) };
    return inOrder(
      write,
      more.map((each) => this.writeOf(each)),
    );
  }

  writeOfSent(record: ResultRecord): StoreWrite {
    const meta = encodeResult(record);
    return {
      store: this.store,
      apply: () => this.#find(record.taskId) === undefined && this.#put(record, meta),
    };
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    const kept = this.#find(id);
    return kept === undefined ? undefined : recordOf(kept.meta);
  }

  async *watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    let wake = (): void => {};
    const onChange = (): void => wake();
    const watchers = this.#records.watchers.get(id) ?? new Set();
    this.#records.watchers.set(id, watchers.add(onChange));
    this.#watching.add(onChange);
    signal.addEventListener('abort', onChange, { once: true });
    try {
      let seen = 0;
      while (!signal.aborted && !this.#closed) {
        const kept = this.#find(id);
        if (kept !== undefined && kept.change !== seen) {
          seen = kept.change;
          yield recordOf(kept.meta);
          if (isReady(kept.status)) return;
        } else await new Promise<void>((woken) => (wake = woken));
      }
    } finally {
      signal.removeEventListener('abort', onChange);
      this.#watching.delete(onChange);
      watchers.delete(onChange);
      if (watchers.size === 0 && this.#records.watchers.get(id) === watchers)
        this.#records.watchers.delete(id);
    }
  }

  async openLocks(): Promise<Locks> {
    const { MemoryLocks } = await import('./memory-locks.ts');
    return new MemoryLocks(this.store, this.#clock);
  }

  async openAudit(): Promise<AuditStore> {
    const { MemoryAudit } = await import('./memory-audit.ts');
    return new MemoryAudit(this.store);
  }

  async openPauses(): Promise<PauseStore> {
    const { MemoryPauses } = await import('./memory-pauses.ts');
    return new MemoryPauses(this.store);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openMemoryLimits } = await import('./memory-limits.ts');
    return openMemoryLimits(this.store, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readMemoryLimits } = await import('./memory-limits.ts');
    return readMemoryLimits(this.store, reading);
  }

  async forget(id: string): Promise<boolean> {
    return this.#records.kept.delete(id);
  }

  async expire(now: Date = new Date(this.#clock.now())): Promise<number> {
    let expired = 0;
    this.chords.expire(now.getTime());
    for (const [id, { expires }] of this.#records.kept) {
      if (expires > now.getTime()) continue;
      this.#records.kept.delete(id);
      expired++;
    }
    return expired;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const onChange of this.#watching) onChange();
    closeMemory(this.store);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Celery never overwrites a SUCCESS. Umbel, in addition, never replaces the state of an ended task by an unended one. */
  #put({ taskId, status }: ResultRecord, meta: string): boolean {
    const old = this.#find(taskId)?.status;
    if (old === 'SUCCESS' || (old !== undefined && isReady(old) && !isReady(status))) return false;
    this.#records.kept.set(taskId, {
      status,
      meta,
      expires: this.#expiryOf(status),
      change: ++this.#records.count,
    });
    for (const onChange of this.#records.watchers.get(taskId) ?? []) onChange();
    return true;
  }

  #expiryOf(status: TaskState): number {
    if (this.#expiresMs === null) return Number.POSITIVE_INFINITY;
    return this.#clock.now() + (isReady(status) ? this.#expiresMs : Math.max(this.#expiresMs, sentKeptMs));
  }

  #find(id: string): Kept | undefined {
    const kept = this.#records.kept.get(id);
    return kept !== undefined && kept.expires > this.#clock.now() ? kept : undefined;
  }
}

function recordOf(meta: string): ResultRecord {
  const decoded = decodeResult(meta);
  if (!decoded.ok) throw new StoreError(`a record is damaged: ${decoded.refusal.detail}`); // we wrote it
  return decoded.value;
}
