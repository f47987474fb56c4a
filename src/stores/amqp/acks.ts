// Acknowledging with as few words as the order allows: what ends within one turn of the event loop, and what stands at the head of
// all that is not acknowledged yet, with a single one.
import type { AmqpChannel, AmqpMessage } from './client/link.ts';

/** The acknowledgements of one channel. */
export class Acks {
  readonly #channel: AmqpChannel;
  /** In the order of their tags. */
  readonly #open = new Set<AmqpMessage>();
  readonly #ended = new Set<AmqpMessage>();
  #planned = false;

  constructor(channel: AmqpChannel) {
    this.#channel = channel;
  }

  /** Every message that comes on the channel is to be told, in the order in which they come. */
  came(message: AmqpMessage): void {
    this.#open.add(message);
  }

  /** To be acknowledged when what runs now has run. */
  add(message: AmqpMessage): void {
    this.#ended.add(message);
    if (this.#planned) return;
    this.#planned = true;
    process.nextTick(() => this.flush());
  }

  /** Before the channel is closed by us. Of one that is gone nothing is said. */
  flush(): void {
    this.#planned = false;
    let last: AmqpMessage | null = null;
    let count = 0;
    for (const message of this.#open) {
      if (!this.#ended.delete(message)) break;
      this.#open.delete(message);
      last = message;
      count++;
    }
    try {
      if (last !== null) this.#channel.ack(last, count > 1);
      for (const message of this.#ended) {
        this.#open.delete(message);
        this.#channel.ack(message);
      }
    } catch {
      // The channel went meanwhile, and with it what was to be acknowledged on it.
    }
    this.#ended.clear();
  }
}
