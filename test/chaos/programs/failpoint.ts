// The points of this process, which `points.cjs` has prepared.

interface Points {
  hit(name: string): Promise<void> | undefined;
  readonly reached: ReadonlyMap<string, number>;
}

const points = (globalThis as { [key: symbol]: unknown })[Symbol.for('umbel.chaos')] as Points | undefined; // set by --require

/** Reaches a point: does what FAILPOINT says of it, mostly nothing. */
export async function hit(name: string): Promise<void> {
  await points?.hit(name);
}

/** The same where nothing can be awaited. */
export function hitNow(name: string): void {
  void points?.hit(name);
}

/** How often each was reached in this thread. */
export function reached(): Record<string, number> {
  return Object.fromEntries(points?.reached ?? []);
}
