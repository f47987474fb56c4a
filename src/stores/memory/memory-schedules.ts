// Schedules in the process's memory.

import {
  afterRun,
  type Changes,
  historyLength,
  type LeadState,
  noState,
  type RunRecord,
  type ScheduleStore,
  type StoredEntry,
} from '../schedule-store.ts';
import type { StoreWrite } from '../store-write.ts';
import { closeMemory, type MemoryStore, openMemory } from './memory.ts';

interface Book {
  holder: string;
  fence: number;
  beats: number;
  revision: number;
  /** The revision of the last deletion. */
  floor: number;
  readonly entries: Map<string, StoredEntry>;
  readonly history: Map<string, RunRecord[]>;
}

export function openMemoryScheduleStore(name: string, app: string): ScheduleStore {
  return new MemoryScheduleStore(openMemory(name), app);
}

class MemoryScheduleStore implements ScheduleStore {
  readonly name = 'memory';
  readonly store: MemoryStore;
  readonly #book: Book;
  #closed = false;

  constructor(store: MemoryStore, app: string) {
    this.store = store;
    this.#book = store.part(`beat ${app}`, () => ({
      holder: '',
      fence: 0,
      beats: 0,
      revision: 0,
      floor: 0,
      entries: new Map(),
      history: new Map(),
    }));
  }

  async lead(holder: string, seen: Pick<LeadState, 'fence' | 'beats'> | null): Promise<LeadState> {
    const book = this.#book;
    if (book.holder === holder) book.beats++;
    else if (book.holder === '' || (seen?.fence === book.fence && seen.beats === book.beats)) {
      book.holder = holder;
      book.fence++;
      book.beats = 0;
    }
    const { fence, beats, revision } = book;
    return { holder: book.holder, fence, beats, revision, nowMs: Date.now() };
  }

  async resign(holder: string): Promise<void> {
    if (this.#book.holder === holder) this.#book.holder = '';
  }

  async now(): Promise<number> {
    return Date.now();
  }

  async changes(since: number | null): Promise<Changes> {
    const { revision, floor, entries } = this.#book;
    const complete = since === null || since < floor;
    const changed = [...entries.values()].filter((entry) => complete || entry.revision > since);
    return { revision, entries: changed, complete };
  }

  async get(name: string): Promise<StoredEntry | undefined> {
    return this.#book.entries.get(name);
  }

  async put(name: string, text: string, expected: number | null): Promise<boolean> {
    const { entries } = this.#book;
    const before = entries.get(name);
    if ((before?.revision ?? null) !== expected) return false;
    const state = { ...(before?.state ?? noState), anchorMs: null };
    entries.set(name, { name, text, revision: ++this.#book.revision, state });
    return true;
  }

  async remove(name: string): Promise<boolean> {
    const book = this.#book;
    if (!book.entries.delete(name)) return false;
    book.history.delete(name);
    book.floor = ++book.revision;
    return true;
  }

  async record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'> {
    if (fence !== null && fence !== this.#book.fence) return 'fenced';
    for (const run of runs) this.#settle(run, fence === null);
    return 'recorded';
  }

  writeOf(fence: number, run: RunRecord): StoreWrite {
    return {
      store: this.store,
      apply: () => fence === this.#book.fence && this.#settle(run, false),
    };
  }

  async history(name: string, limit: number): Promise<readonly RunRecord[]> {
    return (this.#book.history.get(name) ?? []).slice(-limit).reverse();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    closeMemory(this.store);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #settle(run: RunRecord, beside: boolean): boolean {
    const { entries, history } = this.#book;
    const entry = entries.get(run.name);
    const state = entry && afterRun(entry.state, run, beside);
    if (!entry || !state) return false;
    entries.set(run.name, { ...entry, state });
    const runs = history.get(run.name) ?? [];
    runs.push(run);
    if (runs.length > historyLength) runs.shift();
    history.set(run.name, runs);
    return true;
  }
}
