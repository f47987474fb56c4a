// Acknowledges with as few frames as the order allows: one for all that end within one turn of the event loop and are the oldest that are not
// acknowledged yet.
import type { AmqpChannel, AmqpMessage } from './client/link.ts';

/** The acknowledgements of one channel. */
export class Acks {
  readonly #channel: AmqpChannel;
  /** In the order of their delivery tags. */
  readonly #open = new Set<AmqpMessage>();
  readonly #ended = new Set<AmqpMessage>();
  #planned = false;

  constructor(channel: AmqpChannel) {
    this.#channel = channel;
  }

  /** A message came on the channel. Must be called for each, in their order. */
  came(message: AmqpMessage): void {
    this.#open.add(message);
  }

  /** Acknowledges it when the current turn of the event loop has ended. */
  add(message: AmqpMessage): void {
    this.#ended.add(message);
    if (this.#planned) return;
    this.#planned = true;
    process.nextTick(() => this.flush());
  }

  /** Before we close the channel. On a channel that is gone it does nothing. */
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
      // The channel was lost meanwhile, and the messages on it with it.
    }
    this.#ended.clear();
  }
}
