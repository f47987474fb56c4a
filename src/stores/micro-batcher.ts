/**
 * Collects what is asked for within one turn of the event loop and hands it on together: on a server far away, one
 * round trip instead of many.
 */
export class MicroBatcher<Item> {
  readonly #hand: (items: readonly Item[]) => void;
  #items: Item[] = [];

  constructor(hand: (items: readonly Item[]) => void) {
    this.#hand = hand;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length > 1) return;
    setImmediate(() => {
      const items = this.#items;
      this.#items = [];
      this.#hand(items);
    });
  }
}

/** Cuts items, in their order, into chunks of at most `most` items and about `maxSize`. */
export function chunksOf<Item>(
  items: readonly Item[],
  most: number,
  maxSize: number,
  sizeOf: (item: Item) => number,
): Item[][] {
  const chunks: Item[][] = [];
  let chunk: Item[] = [];
  let size = 0;
  for (const item of items) {
    const itemSize = sizeOf(item);
    if (chunk.length > 0 && (chunk.length === most || size + itemSize > maxSize)) {
      chunks.push(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(item);
    size += itemSize;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}
