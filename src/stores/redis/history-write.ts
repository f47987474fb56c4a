// An entry of the history stream that travels with a send or a settlement, as the arguments of an operation `E` of their scripts.
import type { EntryFrame } from '../history-stream.ts';
import type { StoreWrite } from '../store-write.ts';

export class RedisHistoryWrite implements StoreWrite {
  /** `RedisSettings.store` */
  readonly store: object;
  readonly limit: string;
  readonly frame: EntryFrame | null;
  /** The entry, without its frame. */
  readonly text: string;

  constructor(store: object, limit: string, frame: EntryFrame | null, text: string) {
    this.store = store;
    this.limit = limit;
    this.frame = frame;
    this.text = text;
  }

  get entry(): string {
    return this.frame === null ? this.text : this.frame.start + this.text + this.frame.end;
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
