import type { StoreWrite } from '../../lib/store-write.ts';
import { RedisRecordWrite } from './record-write.ts';

const none: readonly string[] = ['0'];

/**
 * A companion write as arguments of a script.
 * @throws TypeError for a write of another store
 */
export function recordArgs(write: StoreWrite | undefined, store: object): readonly string[] {
  if (write === undefined) return none;
  if (write.store !== store)
    throw new TypeError('a write made for another store cannot travel with this settlement');
  if (write instanceof RedisRecordWrite) return ['1', ...write.args];
  write.apply(undefined as never); // not one of this driver's: it says itself why it cannot be made
  throw new TypeError('this write is not one that Redis makes');
}
