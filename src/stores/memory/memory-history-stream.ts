import type { Clock } from '../../lib/clock.ts';
import {
  type HistoryBatch,
  type HistoryReader,
  type HistoryStream,
  type HistoryStreamOptions,
  type HistoryStreamStatus,
  registrationMs,
} from '../history-stream.ts';
import type { StoreWrite } from '../store-write.ts';
import type { MemoryStore } from './memory.ts';

const defaultLimit = 10_000;

interface Kept {
  /** The entry at index 0 has the number `first`. */
  readonly entries: string[];
  first: number;
  readonly readers: Map<string, { position: number; seenAt: number }>;
}

/** The stream of one store of this process. */
export class MemoryHistoryStream implements HistoryStream {
  readonly #store: MemoryStore;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #kept: Kept;

  constructor(store: MemoryStore, clock: Clock, { limit }: HistoryStreamOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#limit = limit ?? defaultLimit;
    this.#kept = store.part('history stream', () => ({ entries: [], first: 1, readers: new Map() }));
  }

  async registered(): Promise<boolean> {
    this.#forgetLapsed();
    if (this.#kept.readers.size > 0) return true;
    this.#drop(this.#kept.entries.length);
    return false;
  }

  async append(entries: readonly string[]): Promise<void> {
    this.#add(entries);
  }

  writeOf(entry: string): StoreWrite {
    return {
      store: this.#store,
      apply: () => {
        this.#add([entry]);
        return true;
      },
    };
  }

  async register(id: string): Promise<HistoryReader> {
    this.#forgetLapsed();
    const { readers } = this.#kept;
    const isNew = !readers.has(id);
    const renew = async (): Promise<void> => {
      const position = readers.get(id)?.position ?? this.#kept.first - 1;
      readers.set(id, { position, seenAt: this.#clock.now() });
    };
    await renew();
    return {
      isNew,
      renew,
      waiting: async () => this.#last - Math.max(this.#kept.first - 1, readers.get(id)?.position ?? 0),
      read: async (limit) => this.#read(id, limit),
      leave: async () => void readers.delete(id),
      close: async () => undefined,
    };
  }

  async status(): Promise<HistoryStreamStatus> {
    this.#forgetLapsed();
    const readers = [...this.#kept.readers].map(([id, { seenAt }]) => ({ id, seenAt: new Date(seenAt) }));
    readers.sort((a, b) => b.seenAt.getTime() - a.seenAt.getTime());
    return { waiting: this.#last - this.#slowest, readers };
  }

  async close(): Promise<void> {
    // Nothing is under way.
  }

  get #last(): number {
    return this.#kept.first + this.#kept.entries.length - 1;
  }

  /** The position of the slowest reader. */
  get #slowest(): number {
    const positions = [...this.#kept.readers.values()].map(({ position }) => position);
    return Math.max(this.#kept.first - 1, positions.length === 0 ? 0 : Math.min(...positions));
  }

  #read(id: string, limit: number): HistoryBatch {
    const { entries, first, readers } = this.#kept;
    const from = Math.max(readers.get(id)?.position ?? 0, first - 1);
    const dropped = from - (readers.get(id)?.position ?? from);
    const found = entries.slice(from + 1 - first, from + 1 - first + limit);
    const acknowledge = async (): Promise<void> => {
      const reader = readers.get(id);
      if (reader === undefined) return;
      reader.position = Math.max(reader.position, from + found.length);
      reader.seenAt = this.#clock.now();
      this.#drop(this.#slowest + 1 - this.#kept.first);
    };
    return { entries: found, dropped, acknowledge };
  }

  #add(added: readonly string[]): void {
    this.#kept.entries.push(...added);
    this.#drop(this.#kept.entries.length - this.#limit);
  }

  #drop(count: number): void {
    if (count <= 0) return;
    this.#kept.entries.splice(0, count);
    this.#kept.first += count;
  }

  #forgetLapsed(): void {
    const since = this.#clock.now() - registrationMs;
    for (const [id, { seenAt }] of this.#kept.readers) if (seenAt < since) this.#kept.readers.delete(id);
  }
}
