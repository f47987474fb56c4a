/**
 * A write prepared for one store, to be made in the same transaction as something else there. Only the drivers of
 * that store look inside; everybody else compares `store` and passes it on.
 */
export interface StoreWrite {
  /** The identity of the store it was made for. */
  readonly store: object;
  /** Makes the write. False: it was not made, because what it would create is there already. */
  apply(transaction: never): boolean;
}
