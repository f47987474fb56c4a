/** A logical clock (Lamport's): orders messages by cause and effect, whatever the wall clocks show. */
export class LamportClock {
  #value: number;

  constructor(value = 0) {
    this.#value = value;
  }

  get value(): number {
    return this.#value;
  }

  /** The time of an event here: to be written on a message that is sent. */
  forward(): number {
    return ++this.#value;
  }

  /** A message with this time has arrived. A value that is no time is ignored. */
  adjust(other: unknown): number {
    const theirs = typeof other === 'number' && Number.isSafeInteger(other) && other >= 0 ? other : 0;
    this.#value = Math.max(this.#value, theirs) + 1;
    return this.#value;
  }
}
