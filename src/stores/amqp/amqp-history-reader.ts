// Reads the queue of one history. What it has not acknowledged is delivered again when its channel is gone.
import { BrokerUnavailable } from '../../errors.ts';
import type { HistoryBatch, HistoryReader } from '../history-stream.ts';
import { type AmqpChannel, type AmqpLink, type AmqpMessage, closeChannel } from './client/link.ts';

/** A message that asks whether a queue is bound: readers leave it out. */
export const probe: Buffer = Buffer.from('[]');

/** How many entries the broker may push ahead. */
const prefetch = 4_000;
const readyMs = 10_000;
/** How long a read waits for the first push, milliseconds. */
const firstMs = 50;

export class AmqpHistoryReader implements HistoryReader {
  readonly isNew: boolean;
  readonly #link: AmqpLink;
  readonly #queue: string;
  readonly #limit: number;
  /** It was full: entries may have been dropped. */
  #isFull = false;
  #channel: AmqpChannel | null = null;
  #consuming: AmqpChannel | null = null;
  /** Pushed, and not acknowledged. */
  #pushed: AmqpMessage[] = [];
  #onPush: () => void = () => undefined;

  constructor(
    link: AmqpLink,
    queue: string,
    { isNew, limit }: { readonly isNew: boolean; readonly limit: number },
  ) {
    this.#link = link;
    this.#queue = queue;
    this.isNew = isNew;
    this.#limit = limit;
  }

  /** What was pushed until now. RabbitMQ does not count what it drops: 1 for a queue that was full. */
  async read(limit: number): Promise<HistoryBatch> {
    const channel = await this.#open();
    await this.#consume(channel);
    if (this.#pushed.length === 0) await this.#pushedWithin(firstMs);
    const messages = this.#pushed.slice(0, limit);
    const dropped = this.#isFull ? 1 : 0;
    return {
      entries: messages.map(({ content }) => content.toString()),
      dropped,
      acknowledge: async () => {
        if (dropped > 0) this.#isFull = false;
        const last = messages.at(-1);
        // Of a channel that is gone, the messages come again.
        if (channel !== this.#channel || last === undefined || !this.#pushed.includes(last)) return;
        channel.ack(last, true);
        this.#pushed = this.#pushed.slice(this.#pushed.indexOf(last) + 1);
      },
    };
  }

  async waiting(): Promise<number> {
    const channel = await this.#open();
    return (await this.#ready(channel)) + this.#pushed.length;
  }

  /** Its consumer keeps the queue. */
  async renew(): Promise<void> {
    await this.#consume(await this.#open());
  }

  async leave(): Promise<void> {
    await (await this.#open()).deleteQueue(this.#queue);
  }

  async close(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    if (channel !== null) await closeChannel(channel).catch(() => undefined);
    await this.#link.close();
  }

  async #open(): Promise<AmqpChannel> {
    if (this.#channel !== null) return this.#channel;
    try {
      const connection = await this.#link.ready(readyMs);
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      channel.on('close', () => {
        if (this.#channel !== channel) return;
        this.#channel = null;
        this.#pushed = [];
      });
      this.#channel = channel;
      this.#pushed = [];
      return channel;
    } catch (error) {
      this.#channel = null;
      if (error instanceof BrokerUnavailable) throw error;
      throw new BrokerUnavailable(`${this.#link.settings.shown}: ${String(error)}`, { cause: error });
    }
  }

  async #consume(channel: AmqpChannel): Promise<void> {
    if (this.#consuming === channel) return;
    this.#consuming = channel;
    await this.#ready(channel);
    await channel.prefetch(prefetch);
    await channel.consume(this.#queue, (message) => {
      if (message === null)
        void closeChannel(channel); // the queue was deleted
      else if (message.content.equals(probe)) channel.ack(message);
      else if (this.#channel === channel) {
        this.#pushed.push(message);
        this.#onPush();
      }
    });
  }

  /** How many entries wait to be pushed. */
  async #ready(channel: AmqpChannel): Promise<number> {
    const { messageCount } = await channel.checkQueue(this.#queue);
    this.#isFull ||= messageCount >= this.#limit;
    return messageCount;
  }

  #pushedWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onPush = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
