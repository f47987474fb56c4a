// An entry of the history stream that travels with a send or a settlement, as the arguments of an operation `E` of their scripts.
import type { StoreWrite } from '../store-write.ts';

export class RedisHistoryWrite implements StoreWrite {
  /** `RedisSettings.store` */
  readonly store: object;
  readonly limit: string;
  readonly entry: string;

  constructor(store: object, limit: string, entry: string) {
    this.store = store;
    this.limit = limit;
    this.entry = entry;
  }

  apply(): boolean {
    throw new TypeError('an entry of the history on Redis is written by a script');
  }
}

/** @throws TypeError for a write of another store */
export function historyOf(write: StoreWrite | undefined, store: object): RedisHistoryWrite | null {
  if (write === undefined) return null;
  if (write.store !== store || !(write instanceof RedisHistoryWrite))
    throw new TypeError('an entry of another history stream cannot travel with this settlement');
  return write;
}
