// The contract of locks of unique tasks: one task for each key, whoever sends it. Kept in the store of messages, else of results.
import type { StoreWrite } from './store-write.ts';

/** The lock of a task that must be the only one with its key. */
export interface Lock {
  readonly key: string;
  /** The task's id. */
  readonly id: string;
  /** A lock that is never released ends after this time, milliseconds: the last resort. */
  readonly ttlMs: number;
  /** Takes the lock from the task that has it. */
  readonly replace: boolean;
}

/** A write that travels with the task's message: if another task has the lock it reports false, and the message is not sent. */
export interface LockWrite extends StoreWrite {
  /** After the publication: the id of the task that has the lock; null: our message was sent. */
  existing(): Promise<string | null>;
}

export interface Locks {
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /** The write that takes the lock together with the publication and `inner`. Sent again under the same id it has no further effect. */
  taking(lock: Lock, inner: StoreWrite | undefined): LockWrite;
  /** The write that releases the lock, if this task still has it, together with a settlement and `inner`. */
  releasing(key: string, id: string, inner: StoreWrite | undefined): StoreWrite;
  /** Takes the lock by itself, when the broker is another store. Null: taken, or ours already; else the id of the task that has it. */
  take(lock: Lock): Promise<string | null>;
  /** Sets the time to live, if this task still has the lock: a task that has ended meanwhile must not get it back. */
  extend(lock: Lock): Promise<void>;
  /** Releases the lock by itself, if this task has it. */
  release(key: string, id: string): Promise<void>;
  /** The id of the task that has the lock. */
  owner(key: string): Promise<string | null>;
  /** Locks that are held, to be shown. Absent in the children of a pool. */
  list?(limit: number): Promise<LockList>;
}

export interface LockList {
  /** By key. `untilMs`: when it ends by itself, milliseconds since 1970. */
  readonly locks: readonly { readonly key: string; readonly id: string; readonly untilMs: number }[];
  /** There are more, or the store was too large to find all. */
  readonly more: boolean;
}

/** The header by which a task's message carries its lock. */
export const lockHeader = 'umbel-unique';

/** The value of the header. */
export interface CarriedLock {
  readonly key: string;
  /** Another task may have taken the lock: then this task must not run. */
  readonly replaceable: boolean;
}

export function writeLock({ key, replace }: Pick<Lock, 'key' | 'replace'>): string {
  return `${replace ? 'r' : 'k'}:${key}`;
}

/** Null: there is no such header, or its value is no lock. */
export function readLock(headers: Readonly<Record<string, unknown>>): CarriedLock | null {
  const text = headers[lockHeader];
  if (typeof text !== 'string' || !/^[rk]:/.test(text)) return null;
  return { key: text.slice(2), replaceable: text.startsWith('r') };
}
