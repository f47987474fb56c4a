// What the consumer's own thread knows of what its blocking reads took, shared with the thread that maintains the store: a message
// that lies there because user code blocks the event loop is given back, one that is being adopted is not.

/** Of one list: nothing is known, the consumer has heard of what was taken, the other thread has given it back. */
const [nothing, taken, returned] = [0, 1, 2] as const;

export class HandoffFlags {
  /** As in `:step:queue`. */
  readonly suffixes: readonly string[];
  readonly shared: SharedArrayBuffer;
  readonly #states: Int32Array;
  /** Of each list: how many we have heard of and do not know yet what became of. */
  readonly #open: number[];

  constructor(suffixes: readonly string[]) {
    this.suffixes = suffixes;
    this.shared = new SharedArrayBuffer(4 * suffixes.length);
    this.#states = new Int32Array(this.shared);
    this.#open = suffixes.map(() => 0);
  }

  /** A message was taken from this list. False: the other thread was faster, it went back. */
  take(suffix: string): boolean {
    const list = this.suffixes.indexOf(suffix);
    if (Atomics.compareExchange(this.#states, list, nothing, taken) !== returned) {
      this.#open[list] = (this.#open[list] ?? 0) + 1;
      return true;
    }
    Atomics.store(this.#states, list, nothing);
    return false;
  }

  /** It is known what became of one that we had heard of. */
  done(suffix: string): void {
    const list = this.suffixes.indexOf(suffix);
    const open = (this.#open[list] ?? 1) - 1;
    this.#open[list] = open;
    if (open === 0) Atomics.compareExchange(this.#states, list, taken, nothing);
  }
}
