// The history stream on RabbitMQ: an exchange, and a durable bounded queue for each history whose recorder is registered. The queue is the registration:
// RabbitMQ deletes it when nobody has used it for a week.
import { BrokerUnavailable } from '../../errors.ts';
import {
  type HistoryReader,
  type HistoryStream,
  type HistoryStreamOptions,
  registrationMs,
} from '../history-stream.ts';
import { AmqpHistoryReader, probe } from './amqp-history-reader.ts';
import { type AmqpConfirmChannel, type AmqpConnection, AmqpLink, closeChannel } from './client/link.ts';
import type { AmqpSettings } from './client/settings.ts';
import type { Publisher } from './publisher.ts';

const exchange = 'umbel.history';
const queueOf = (reader: string): string => `umbel.history.${reader}`;

/** About 1 GB on disk where writers fill their entries. */
const defaultLimit = 250_000;
const readyMs = 10_000;

interface Sender {
  readonly connection: AmqpConnection;
  readonly channel: AmqpConfirmChannel;
  /** Whether the probe came back: no queue is bound. */
  hasReturned: boolean;
}

export class AmqpHistoryStream implements HistoryStream {
  readonly #settings: AmqpSettings;
  readonly #publisher: Publisher;
  readonly #limit: number;
  #sender: Promise<Sender> | null = null;
  /** One at a time. */
  #sending: Promise<unknown> = Promise.resolve();

  constructor(settings: AmqpSettings, publisher: Publisher, { limit }: HistoryStreamOptions) {
    this.#settings = settings;
    this.#publisher = publisher;
    this.#limit = limit ?? defaultLimit;
  }

  registered(): Promise<boolean> {
    return this.#send([probe], async (sender) => {
      const isBound = !sender.hasReturned;
      sender.hasReturned = false;
      return isBound;
    });
  }

  /** Without a reader there is no queue, and nothing is kept. */
  async append(entries: readonly string[]): Promise<void> {
    await this.#send(
      entries.map((entry) => Buffer.from(entry)),
      async () => undefined,
    );
  }

  async register(id: string): Promise<HistoryReader> {
    const queue = queueOf(id);
    const link = new AmqpLink(this.#settings);
    try {
      const connection = await link.ready(readyMs);
      const before = await sizeOf(connection, queue);
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      // A queue that is there keeps its arguments: RabbitMQ refuses to change them.
      if (before === null)
        await channel.assertQueue(queue, {
          durable: true,
          arguments: {
            'x-expires': registrationMs,
            'x-max-length': this.#limit,
            'x-overflow': 'drop-head',
          },
        });
      await channel.assertExchange(exchange, 'fanout', { durable: true });
      await channel.bindQueue(queue, exchange, '');
      await closeChannel(channel);
      return new AmqpHistoryReader(link, queue, { isNew: before === null, limit: this.#limit });
    } catch (error) {
      await link.close();
      throw this.#failure(error);
    }
  }

  /** RabbitMQ does not tell who is bound. */
  async status(): Promise<null> {
    return null;
  }

  /** Its channel ends with the transport's connection. */
  async close(): Promise<void> {
    this.#sender = null;
  }

  /** Publishes and waits for the confirmation. */
  #send<T>(messages: readonly Buffer[], then: (sender: Sender) => Promise<T>): Promise<T> {
    const sent = this.#sending.then(() =>
      this.#publisher.during(async ({ connection }) => {
        try {
          const sender = await this.#senderOn(connection);
          const { channel } = sender;
          for (const content of messages)
            channel.publish(exchange, '', content, {
              persistent: content !== probe,
              mandatory: content === probe,
              contentType: 'application/json',
            });
          await channel.waitForConfirms();
          return await then(sender);
        } catch (error) {
          this.#sender = null;
          throw this.#failure(error);
        }
      }),
    );
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async #senderOn(connection: AmqpConnection): Promise<Sender> {
    const known = await this.#sender?.catch(() => null);
    if (known?.connection === connection) return known;
    this.#sender = openSender(connection);
    return this.#sender;
  }

  #failure(error: unknown): Error {
    if (error instanceof BrokerUnavailable) return error;
    return new BrokerUnavailable(`${this.#settings.shown}: ${String(error)}`, { cause: error });
  }
}

async function openSender(connection: AmqpConnection): Promise<Sender> {
  const channel = await connection.createConfirmChannel();
  const sender: Sender = { connection, channel, hasReturned: false };
  channel.on('error', () => undefined);
  channel.on('return', () => {
    sender.hasReturned = true;
  });
  await channel.assertExchange(exchange, 'fanout', { durable: true });
  return sender;
}

/** The number of its messages; null: there is no such queue. */
async function sizeOf(connection: AmqpConnection, queue: string): Promise<number | null> {
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  try {
    const { messageCount } = await channel.checkQueue(queue);
    await closeChannel(channel);
    return messageCount;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 404) return null;
    throw error;
  }
}
