/**
 * A write prepared for one store, to be made in the same transaction as something else there. Only the drivers of
 * that store look inside; other code compares `store` and passes it on.
 */
export interface StoreWrite {
  /** The identity of the store it was made for. */
  readonly store: object;
  /** Makes the write. False: it was not made, since the row that it would create exists. */
  apply(transaction: never): boolean;
}

/** Combines writes of one store, in this order; they are made if the first of them is. */
export function inOrder(first: StoreWrite, more: readonly StoreWrite[]): StoreWrite {
  if (more.length === 0) return first;
  const apply = (transaction: never): boolean => {
    const made = first.apply(transaction);
    for (const write of more) write.apply(transaction);
    return made;
  };
  return { store: first.store, apply };
}
