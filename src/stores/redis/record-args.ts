import type { StoreWrite } from '../store-write.ts';
import { RedisRecordWrite } from './record-write.ts';

const none: readonly string[] = ['0'];

/** The arguments of a script for a companion write. @throws as {@link recordOf} */
export function recordArgs(write: StoreWrite | undefined, store: object): readonly string[] {
  const record = recordOf(write, store);
  return record === null ? none : ['1', ...record];
}

/**
 * The arguments of `write_record` for a companion write.
 * @throws TypeError for a write of another store
 */
export function recordOf(write: StoreWrite | undefined, store: object): RedisRecordWrite['args'] | null {
  if (write === undefined) return null;
  if (write.store !== store)
    throw new TypeError('a write made for another store cannot travel with this settlement');
  if (write instanceof RedisRecordWrite) return write.args;
  write.apply(undefined as never); // not one of this driver's: it throws an error of its own
  throw new TypeError('this write is not one that Redis makes');
}
