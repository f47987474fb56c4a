import type { Clock } from '../../lib/clock.ts';
import type { Lock, LockList, Locks, LockWrite } from '../locks.ts';
import type { StoreWrite } from '../store-write.ts';
import type { MemoryStore } from './memory.ts';

interface Held {
  readonly id: string;
  readonly untilMs: number;
}

export class MemoryLocks implements Locks {
  readonly store: MemoryStore;
  readonly #held: Map<string, Held>;
  readonly #clock: Clock;

  constructor(store: MemoryStore, clock: Clock) {
    this.store = store;
    this.#clock = clock;
    this.#held = store.part('locks', () => new Map<string, Held>());
  }

  taking(lock: Lock, inner: StoreWrite | undefined): LockWrite {
    let existing: string | null = null;
    return {
      store: this.store,
      apply: (transaction) => {
        existing = this.#take(lock);
        return existing === null && (inner?.apply(transaction) ?? true);
      },
      existing: async () => existing,
    };
  }

  releasing(key: string, id: string, inner: StoreWrite | undefined): StoreWrite {
    return {
      store: this.store,
      apply: (transaction) => {
        this.#release(key, id);
        return inner?.apply(transaction) ?? true;
      },
    };
  }

  async take(lock: Lock): Promise<string | null> {
    return this.#take(lock);
  }

  async extend(lock: Lock): Promise<void> {
    if (this.#owner(lock.key) === lock.id) this.#take(lock);
  }

  async release(key: string, id: string): Promise<void> {
    this.#release(key, id);
  }

  async owner(key: string): Promise<string | null> {
    return this.#owner(key);
  }

  async list(limit: number): Promise<LockList> {
    const keys = [...this.#held.keys()].filter((key) => this.#owner(key) !== null).sort();
    const locks = keys.slice(0, limit).flatMap((key) => {
      const held = this.#held.get(key);
      return held === undefined ? [] : [{ key, ...held }];
    });
    return { locks, more: keys.length > limit };
  }

  #owner(key: string): string | null {
    const held = this.#held.get(key);
    if (held === undefined || held.untilMs > this.#clock.now()) return held?.id ?? null;
    this.#held.delete(key);
    return null;
  }

  #take({ key, id, ttlMs, replace }: Lock): string | null {
    const owner = this.#owner(key);
    if (owner !== null && owner !== id && !replace) return owner;
    this.#held.set(key, { id, untilMs: this.#clock.now() + ttlMs });
    return null;
  }

  #release(key: string, id: string): void {
    if (this.#held.get(key)?.id === id) this.#held.delete(key);
  }
}
