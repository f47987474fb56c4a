// Broadcasts on RabbitMQ: exchanges and short-lived queues, declared as Celery does, on a connection of their own.
import { randomUUID } from 'node:crypto';
import { BrokerUnavailable } from '../../errors.ts';
import { asBuffer } from '../../protocol/bytes.ts';
import type { WireMessage } from '../../protocol/message.ts';
import type { Fanout, FanoutExchange, FanoutListener, Subscription } from '../fanout.ts';
import {
  type AmqpChannel,
  type AmqpConfirmChannel,
  type AmqpConnection,
  AmqpLink,
  closeChannel,
} from './client/link.ts';
import { openChannel, RecoveringChannel } from './client/recovering-channel.ts';
import type { AmqpSettings } from './client/settings.ts';
import { fromMessage, toOptions } from './wire.ts';

const readyMs = 10_000;

interface Listening {
  readonly subscription: Subscription;
  readonly listener: FanoutListener;
  channel: RecoveringChannel | null;
}

export class AmqpFanout implements Fanout {
  readonly #settings: AmqpSettings;
  readonly #listening = new Set<Listening>();
  #link: AmqpLink | null = null;
  #sender: { readonly connection: AmqpConnection; readonly channel: Promise<AmqpConfirmChannel> } | null =
    null;
  #declared = new Map<string, Promise<unknown>>();
  #closed = false;

  constructor(settings: AmqpSettings) {
    this.#settings = settings;
  }

  async publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    const link = this.#open();
    link.hold();
    try {
      await this.#publish(exchange, routingKey, message);
    } finally {
      link.release();
    }
  }

  async #publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    const channel = await this.#channel();
    try {
      const declared = this.#declared.get(exchange.name) ?? assertExchange(channel, exchange);
      this.#declared.set(exchange.name, declared);
      await declared;
      const options = { ...toOptions(message), mandatory: false };
      await new Promise<void>((resolve, reject) => {
        channel.publish(exchange.name, routingKey, asBuffer(message.body), options, (error: unknown) =>
          error ? reject(error) : resolve(),
        );
      });
    } catch (error) {
      this.#sender = null;
      throw new BrokerUnavailable(`${this.#settings.shown}: ${String(error)}`, { cause: error });
    }
  }

  async subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable> {
    const listening: Listening = { subscription, listener, channel: null };
    const link = this.#open();
    link.hold();
    try {
      await this.#listen(await link.ready(readyMs), listening);
    } catch (error) {
      link.release();
      throw error;
    }
    this.#listening.add(listening);
    return {
      [Symbol.asyncDispose]: async () => {
        if (!this.#listening.delete(listening)) return;
        await listening.channel?.close();
        link.release();
      },
    };
  }

  /** RabbitMQ does not know them. */
  async workers(): Promise<null> {
    return null;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listening.clear();
    await this.#link?.close();
  }

  #open(): AmqpLink {
    if (this.#closed) throw new BrokerUnavailable(`the connection to ${this.#settings.shown} is closed`);
    this.#link ??= new AmqpLink(this.#settings, {
      idle: true,
      onReady: async (connection) => {
        for (const each of this.#listening) await this.#listen(connection, each);
      },
    });
    return this.#link;
  }

  async #channel(): Promise<AmqpConfirmChannel> {
    const connection = await this.#open().ready(readyMs);
    if (this.#sender?.connection !== connection) {
      const channel = connection.createConfirmChannel();
      const sender = { connection, channel };
      this.#sender = sender;
      this.#declared = new Map();
      const drop = (): void => {
        if (this.#sender === sender) this.#sender = null;
      };
      channel.then((made) => made.on('error', () => undefined).on('close', drop), drop);
    }
    const channel = await this.#sender?.channel;
    if (channel === undefined) throw new BrokerUnavailable(`${this.#settings.shown} cannot be reached`);
    return channel;
  }

  async #listen(connection: AmqpConnection, listening: Listening): Promise<void> {
    const { queue, onShared } = listening.subscription;
    const consume = (name: string) =>
      openChannel(connection, (channel) => this.#consume(channel, listening, name));
    const open = async (): ReturnType<typeof consume> => {
      try {
        return await consume(queue);
      } catch (error) {
        if (!isRefused(error)) throw error;
        if (error.code === 405 && listening.channel === null) onShared?.();
        // Another program declared this name with other arguments, or as its own. Only the binding matters: any name will do.
        return await consume(`${queue}.${randomUUID()}`);
      }
    };
    // Without this subscription the connection is of no use: the next connection makes all of them again.
    const endConnection = (): void => void connection.close().catch(() => undefined);
    listening.channel = await RecoveringChannel.open(open, endConnection);
  }

  async #consume(channel: AmqpChannel, listening: Listening, queue: string): Promise<void> {
    const { exchange, keys, ttlMs, expiresMs, onShared } = listening.subscription;
    await assertExchange(channel, exchange);
    const { consumerCount } = await channel.assertQueue(queue, {
      durable: false,
      autoDelete: true,
      messageTtl: ttlMs,
      expires: expiresMs,
    });
    if (consumerCount > 0 && listening.channel === null) onShared?.();
    for (const key of keys) await channel.bindQueue(queue, exchange.name, key);
    await channel.consume(
      queue,
      (message) => {
        // Cancelled: somebody deleted the queue.
        if (message === null) void closeChannel(channel);
        else if (this.#listening.has(listening))
          listening.listener(fromMessage(message, false), message.fields.routingKey);
      },
      { noAck: true },
    );
  }
}

function assertExchange(channel: AmqpChannel, { name, type, durable }: FanoutExchange): Promise<unknown> {
  return channel.assertExchange(name, type, { durable, autoDelete: false });
}

/** 405: the queue is another connection's own. 406: it was declared with other arguments. */
function isRefused(error: unknown): error is Error & { readonly code: 405 | 406 } {
  return error instanceof Error && 'code' in error && (error.code === 405 || error.code === 406);
}
