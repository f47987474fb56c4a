// Quarantined messages on RabbitMQ wait in a queue of their own beside each queue. This queue is read with `get`, by a consumer that holds nothing
// else, since a message that is pushed cannot be held alone.
import type { AmqpMessage } from './client/link.ts';
import type { Feed } from './feed.ts';

/** A quarantined message that was fetched. */
interface Fetched {
  readonly queue: string;
  readonly feed: Feed;
  readonly message: AmqpMessage;
}

export class QuarantineQueues {
  readonly #queues: readonly string[];
  readonly #open: (queue: string) => Promise<Feed | null>;
  readonly #feeds = new Map<string, Feed>();
  readonly #opening = new Map<string, Promise<Feed | null>>();

  /** `open` declares the quarantine queue of a queue, and opens a channel to it; null: there is no connection. */
  constructor(queues: readonly string[], open: (queue: string) => Promise<Feed | null>) {
    this.#queues = queues;
    this.#open = open;
  }

  get feeds(): readonly Feed[] {
    return [...this.#feeds.values()];
  }

  /** How many of this queue's quarantined messages this process holds. */
  held(queue: string): number {
    return this.#feeds.get(queue)?.held.size ?? 0;
  }

  /** Whether messages wait. Without a connection none do. */
  async look(): Promise<boolean> {
    for (const queue of this.#queues) {
      const feed = await this.#feed(queue);
      if (feed !== null && (await feed.count()) > 0) return true;
    }
    return false;
  }

  /** The next message, if one waits. */
  async fetch(): Promise<Fetched | null> {
    for (const queue of this.#queues) {
      const feed = await this.#feed(queue);
      const message = await feed?.fetch();
      if (feed == null || message == null) continue;
      // The task sees the queue that it was sent to.
      return { queue, feed, message: { ...message, fields: { ...message.fields, routingKey: queue } } };
    }
    return null;
  }

  async #feed(queue: string): Promise<Feed | null> {
    const known = this.#feeds.get(queue);
    if (known?.open === true) return known;
    this.#feeds.delete(queue);
    const opening = this.#opening.get(queue) ?? this.#open(queue);
    this.#opening.set(queue, opening);
    try {
      const feed = await opening;
      if (feed?.open === true) this.#feeds.set(queue, feed);
      return feed;
    } finally {
      this.#opening.delete(queue);
    }
  }
}
