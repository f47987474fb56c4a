/** Follows the bytes that a client sends (AMQP 0-9-1), and knows whether they end between two frames. */
export class FrameReader {
  /** What is left of the protocol's header. */
  #greeting = 8;
  /** Of a frame's header. */
  readonly #head: Buffer = Buffer.alloc(7);
  #have = 0;
  /** What is left of a frame's payload, and the byte at its end. */
  #left = 0;

  push(chunk: Buffer): void {
    let at = Math.min(this.#greeting, chunk.length);
    this.#greeting -= at;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else {
        this.#head[this.#have++] = chunk[at++] ?? 0;
        if (this.#have < this.#head.length) continue;
        this.#have = 0;
        this.#left = this.#head.readUInt32BE(3) + 1;
      }
    }
  }

  /** Nothing is under way: another frame may be put in here. */
  get isBetween(): boolean {
    return this.#greeting === 0 && this.#have === 0 && this.#left === 0;
  }
}
