// The contract of locks of unique tasks: one task of a key at a time, whoever sends it. Kept with the messages, else with the results.
import type { StoreWrite } from './store-write.ts';

/** A task that wants to be the only one of its key. */
export interface Lock {
  readonly key: string;
  /** The task's id. */
  readonly id: string;
  /** The last resort: a lock that nothing released is over after this time, milliseconds. */
  readonly ttlMs: number;
  /** Takes it from whoever has it. */
  readonly replace: boolean;
}

/** A write that travels with the task's message: if another has the lock it reports false, and the message is not sent. */
export interface LockWrite extends StoreWrite {
  /** After the publication: the id of the task that has the lock; null: ours was sent. */
  existing(): Promise<string | null>;
}

export interface Locks {
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /** Takes the lock together with the publication, and with what else goes with that. Sent again under the same id it is the same one. */
  taking(lock: Lock, inner: StoreWrite | undefined): LockWrite;
  /** Releases it together with a settlement, and with what else goes with that, if it is still this task's. */
  releasing(key: string, id: string, inner: StoreWrite | undefined): StoreWrite;
  /** Takes it by itself, for a broker that is another store. Null: taken, or ours already; else the id of the task that has it. */
  take(lock: Lock): Promise<string | null>;
  /** From now on it lasts so long, if it is still this task's: one that has ended meanwhile must not get it back. */
  extend(lock: Lock): Promise<void>;
  /** Releases it by itself, if it is this task's. */
  release(key: string, id: string): Promise<void>;
  /** The id of the task that has it. */
  owner(key: string): Promise<string | null>;
}

/** A task's message carries its lock in this header. */
export const lockHeader = 'umbel-unique';

/** What the header says. */
export interface CarriedLock {
  readonly key: string;
  /** Another may have taken it since: then this one is not to run. */
  readonly replaceable: boolean;
}

export function writeLock({ key, replace }: Pick<Lock, 'key' | 'replace'>): string {
  return `${replace ? 'r' : 'k'}:${key}`;
}

/** Null: the message has none, or what it says is none. */
export function readLock(headers: Readonly<Record<string, unknown>>): CarriedLock | null {
  const text = headers[lockHeader];
  if (typeof text !== 'string' || !/^[rk]:/.test(text)) return null;
  return { key: text.slice(2), replaceable: text.startsWith('r') };
}
