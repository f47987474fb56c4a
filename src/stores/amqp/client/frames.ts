/** Follows the bytes of a client (AMQP 0-9-1), and knows whether they end between two frames. */
export class FrameReader {
  /** The rest of the protocol header, bytes. */
  #greeting = 8;
  /** The header of a frame. */
  readonly #head: Buffer = Buffer.alloc(7);
  #have = 0;
  /** The rest of a frame's payload with its end byte, bytes. */
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

  /** No frame is incomplete: another one may be inserted here. */
  get isBetween(): boolean {
    return this.#greeting === 0 && this.#have === 0 && this.#left === 0;
  }
}
