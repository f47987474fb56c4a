// Batches: work that is asked for one item at a time, and done together.

/**
 * Collects the items of one turn of the event loop and hands them on together: on a server far away, one
 * round trip instead of many. The next turn's items do not wait for the answer.
 */
export class MicroBatcher<Item> {
  readonly #hand: (items: readonly Item[]) => void;
  readonly #defer: (handOn: () => void) => void;
  readonly #maxItems: number;
  #items: Item[] = [];
  #isDeferred = false;

  /**
   * @param defer schedules the hand-over. `queueMicrotask`: earlier, and only for items that are added without waiting in between.
   * @param maxItems a batch of this size is handed over at once, so that the server begins while the next items are made
   */
  constructor(
    hand: (items: readonly Item[]) => void,
    defer: (handOn: () => void) => void = setImmediate,
    maxItems: number = Number.POSITIVE_INFINITY,
  ) {
    this.#hand = hand;
    this.#defer = defer;
    this.#maxItems = maxItems;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length >= this.#maxItems) this.#handOn();
    else if (!this.#isDeferred) {
      this.#isDeferred = true;
      this.#defer(this.#afterTurn);
    }
  }

  readonly #afterTurn = (): void => {
    this.#isDeferred = false;
    if (this.#items.length > 0) this.#handOn();
  };

  #handOn(): void {
    const items = this.#items;
    this.#items = [];
    this.#hand(items);
  }
}

/** One batch at a time: items that are added while a batch is under way make the next, in their order. */
export class SerialBatcher<Item> {
  readonly #carryOut: (queue: Item[]) => Promise<void>;
  readonly #queue: Item[] = [];
  #running: Promise<void> | null = null;

  /** @param carryOut takes one batch from the head of the queue, and never rejects */
  constructor(carryOut: (queue: Item[]) => Promise<void>) {
    this.#carryOut = carryOut;
  }

  add(item: Item): void {
    this.#queue.push(item);
    this.#running ??= nextTurn().then(() => this.#run());
  }

  /** Resolves when all items are done, with success or not. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#carryOut(this.#queue);
      // The continuations of the finished items add their next items now: they join this batch.
      await nextTurn();
    }
    this.#running = null;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

/** Cuts items, in their order, into chunks of at most `maxItems` items and about `maxSize`. */
export function chunksOf<Item>(
  items: readonly Item[],
  maxItems: number,
  maxSize: number,
  sizeOf: (item: Item) => number,
): Item[][] {
  const chunks: Item[][] = [];
  let chunk: Item[] = [];
  let size = 0;
  for (const item of items) {
    const itemSize = sizeOf(item);
    if (chunk.length > 0 && (chunk.length === maxItems || size + itemSize > maxSize)) {
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
