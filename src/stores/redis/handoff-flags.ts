// Flags for messages that blocking reads took, shared by the consumer and the maintenance thread: a message that lies there because user
// code blocks the event loop is given back; a message that is being adopted is not.

/** The state of one list: nothing is known; the consumer has received the message; the other thread has given it back. */
const [nothing, taken, returned] = [0, 1, 2] as const;

export class HandoffFlags {
  /** Suffixes like `:step:queue`. */
  readonly suffixes: readonly string[];
  readonly shared: SharedArrayBuffer;
  readonly #states: Int32Array;
  /** For each list: how many messages were received whose outcome is not known yet. */
  readonly #open: number[];

  constructor(suffixes: readonly string[]) {
    this.suffixes = suffixes;
    this.shared = new SharedArrayBuffer(4 * suffixes.length);
    this.#states = new Int32Array(this.shared);
    this.#open = suffixes.map(() => 0);
  }

  /** A message of this list was received. False: the other thread was faster, and gave it back. */
  take(suffix: string): boolean {
    const list = this.suffixes.indexOf(suffix);
    if (Atomics.compareExchange(this.#states, list, nothing, taken) !== returned) {
      this.#open[list] = (this.#open[list] ?? 0) + 1;
      return true;
    }
    Atomics.store(this.#states, list, nothing);
    return false;
  }

  /** The outcome of a received message is known. */
  done(suffix: string): void {
    const list = this.suffixes.indexOf(suffix);
    const open = (this.#open[list] ?? 1) - 1;
    this.#open[list] = open;
    if (open === 0) Atomics.compareExchange(this.#states, list, taken, nothing);
  }
}
