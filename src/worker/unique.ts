// The locks of unique tasks in the worker: released with the settlement that ends the task.

import type { ResultBackend } from '../stores/backend.ts';
import { type CarriedLock, type Locks, readLock } from '../stores/locks.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Delivery, Transport } from '../stores/transport.ts';
import type { SettlementPlan } from './settlement.ts';

/** A task's lock. */
export interface OwnLock {
  readonly key: string;
  readonly id: string;
}

export class UniqueLocks {
  readonly #transport: Transport;
  readonly #backend: ResultBackend | null;
  #locks: Promise<Locks | undefined> | null = null;

  constructor(transport: Transport, backend: ResultBackend | null) {
    this.#transport = transport;
    this.#backend = backend;
  }

  /** The lock that a delivery carries, if this settlement ends its task. */
  endedBy({ message }: Delivery, { action, publish }: SettlementPlan): OwnLock | null {
    if (!message.ok) return null;
    const { headers } = message.value;
    const lock = readLock(headers);
    // A retry, and a task that runs again, keeps its lock.
    if (lock === null || action.kind === 'release' || publish !== null) return null;
    return typeof headers.id === 'string' ? { key: lock.key, id: headers.id } : null;
  }

  /** Adds the release of this lock to `write` if it can travel with a settlement; else releases it at once, before the acknowledgement. */
  async release(lock: OwnLock, write: StoreWrite | undefined): Promise<StoreWrite | undefined> {
    const locks = await this.#open();
    if (locks?.store === this.#transport.store) return locks.releasing(lock.key, lock.id, write);
    await locks?.release(lock.key, lock.id);
    return write;
  }

  /** Whether another task has replaced this one. */
  async isReplaced({ key }: CarriedLock, id: string): Promise<boolean> {
    const owner = await (await this.#open())?.owner(key);
    return typeof owner === 'string' && owner !== id;
  }

  #open(): Promise<Locks | undefined> {
    this.#locks ??= Promise.resolve(this.#transport.openLocks?.() ?? this.#backend?.openLocks?.()).catch(
      (error: unknown) => {
        this.#locks = null;
        throw error;
      },
    );
    return this.#locks;
  }
}
