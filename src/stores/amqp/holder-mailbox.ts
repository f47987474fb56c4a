// Messages that the workers of a virtual host send each other about messages that came back to the broker.
import type { Clock } from '../../lib/clock.ts';
import { type AmqpChannel, type AmqpConnection, closeChannel } from './client/link.ts';
import { type OpenChannel, openChannel, RecoveringChannel } from './client/recovering-channel.ts';
import type { Publisher } from './publisher.ts';

const exchange = 'umbel_holders';
/** An older message is of no use. */
const usefulMs = 60_000;
const retryMs = 100;

/** Names messages by their keys (see `keyOf`). Several fields may be set. The names of the fields are on the wire: they never change. */
export interface HolderMessage {
  /** These came back to me: which worker had them before? */
  readonly whose?: readonly string[];
  /** I am connected again, and had these in hand when my connection broke. Absent: this message is about something else. */
  readonly back?: readonly string[] | undefined;
  /** These tasks are running here. */
  readonly held?: readonly string[];
  /** These are settled: acknowledge them. */
  readonly over?: readonly string[];
  /** I had these, and did not begin them. */
  readonly free?: readonly string[];
  /** I took these for a dead worker's, and gave them to another. */
  readonly gone?: readonly string[];
  /** I know nothing of these. */
  readonly unknown?: readonly string[];
}

interface MailboxListener {
  /** This mailbox is open, in place of the one before it. */
  onOpen(mailbox: HolderMailbox): void;
  /** `isToAll`: it was sent to all workers; a worker that knows nothing need not answer. */
  onMessage(message: HolderMessage, from: string, isToAll: boolean): void;
  /** The mailbox receives nothing any more. If the connection stays, another mailbox is opened. */
  onClosed(mailbox: HolderMailbox): void;
}

interface PostListener {
  /** The mailbox to which something was sent is no longer there: its owner has lost its connection, and may have another by now. */
  onGone(mailbox: string): void;
  /** What was sent last may not have arrived. */
  onLost(): void;
}

/**
 * Opens mailboxes for as long as the connection lasts, one at a time: another when the queue of the last is deleted, or its channel closes.
 * @throws what the server refuses
 */
export async function openMailboxes(
  connection: AmqpConnection,
  post: HolderPost,
  listener: MailboxListener,
): Promise<void> {
  // Refused later on, this worker goes on without a mailbox.
  await RecoveringChannel.open(
    () => HolderMailbox.open(connection, post, listener),
    () => undefined,
  );
}

/** A queue of this worker's, through which other workers ask it about messages. */
export class HolderMailbox {
  readonly name: string;
  readonly #post: HolderPost;

  private constructor(name: string, post: HolderPost) {
    this.name = name;
    this.#post = post;
  }

  static async open(
    connection: AmqpConnection,
    post: HolderPost,
    listener: MailboxListener,
  ): Promise<OpenChannel> {
    let name = '';
    const opened = await openChannel(connection, async (channel) => {
      await channel.assertExchange(exchange, 'fanout', { durable: true });
      // Named by the server: it goes with the connection, and the next one's is another.
      const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
      name = queue;
      await channel.bindQueue(queue, exchange, '');
      await channel.consume(
        queue,
        (message) => {
          if (message === null) return void closeChannel(channel);
          const from: unknown = message.properties.replyTo;
          if (typeof from !== 'string' || from === queue) return;
          listener.onMessage(readMessage(message.content), from, message.fields.exchange !== '');
        },
        { noAck: true },
      );
    });
    const mailbox = new HolderMailbox(name, post);
    listener.onOpen(mailbox);
    void opened.closed.then(() => listener.onClosed(mailbox));
    return opened;
  }

  toAll(message: HolderMessage): void {
    this.#post.send(exchange, '', message, this.name);
  }

  /** If that is no longer there, the listener of the post hears it. */
  to(mailbox: string, message: HolderMessage): void {
    this.#post.send('', mailbox, message, this.name);
  }
}

/**
 * Sends them, in order, on the connection of the publisher: from a connection that has published, a RabbitMQ that is low on memory or disk reads
 * nothing more, neither acknowledgements nor what a worker declares when it starts. So a worker must not publish where it consumes.
 */
export class HolderPost {
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #listener: PostListener;
  #sending: Promise<void> = Promise.resolve();
  #opened: { readonly connection: AmqpConnection; readonly channel: AmqpChannel } | null = null;
  #closed = false;

  constructor(publisher: Publisher, clock: Clock, listener: PostListener) {
    this.#publisher = publisher;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Nothing is tried again. Resolves when all is on its way. */
  close(): Promise<void> {
    this.#closed = true;
    // The connection stays, for other consumers.
    void this.#sending.then(() => this.#opened && closeChannel(this.#opened.channel));
    return this.#sending;
  }

  send(to: string, routingKey: string, message: HolderMessage, replyTo: string): void {
    // What lies at the broker when nobody reads it goes by itself, too.
    const options = { replyTo, expiration: String(usefulMs), mandatory: to === '' };
    const content = Buffer.from(JSON.stringify(message));
    const until = performance.now() + usefulMs;
    this.#sending = this.#sending.then(async () => {
      while (performance.now() < until) {
        try {
          return await this.#publisher.during(async ({ connection }) => {
            const channel = await this.#channelOn(connection);
            channel.publish(to, routingKey, content, options);
          });
        } catch {
          if (this.#closed) return;
          await this.#clock.sleep(retryMs); // the connection or the channel went meanwhile
        }
      }
    });
  }

  async #channelOn(connection: AmqpConnection): Promise<AmqpChannel> {
    if (this.#opened?.connection === connection) return this.#opened.channel;
    const channel = await connection.createChannel();
    const opened = { connection, channel };
    this.#opened = opened;
    channel.on('error', () => undefined);
    channel.once('close', () => {
      if (this.#opened === opened) this.#opened = null;
      if (!this.#closed) this.#listener.onLost();
    });
    channel.on('return', ({ fields }) => {
      if (fields.exchange === '') this.#listener.onGone(fields.routingKey);
    });
    return channel;
  }
}

function readMessage(content: Buffer): HolderMessage {
  try {
    const parsed: unknown = JSON.parse(content.toString());
    if (typeof parsed !== 'object' || parsed === null) return {};
    const keys = (name: keyof HolderMessage): readonly string[] => {
      const value: unknown = Reflect.get(parsed, name);
      return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
    };
    return {
      whose: keys('whose'),
      back: 'back' in parsed ? keys('back') : undefined,
      held: keys('held'),
      over: keys('over'),
      free: keys('free'),
      gone: keys('gone'),
      unknown: keys('unknown'),
    };
  } catch {
    return {}; // not of ours
  }
}
