/** A logical clock (Lamport's): says of messages which may have caused which, whatever the clocks on the walls say. */
export class LamportClock {
  #value: number;

  constructor(value = 0) {
    this.#value = value;
  }

  get value(): number {
    return this.#value;
  }

  /** Something happens here: the time to write on a message that is sent. */
  forward(): number {
    return ++this.#value;
  }

  /** A message of this time has arrived. What is no time is not heeded. */
  adjust(other: unknown): number {
    const theirs = typeof other === 'number' && Number.isSafeInteger(other) && other >= 0 ? other : 0;
    this.#value = Math.max(this.#value, theirs) + 1;
    return this.#value;
  }
}
