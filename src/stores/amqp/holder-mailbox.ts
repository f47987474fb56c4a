// Messages that the workers of a virtual host send each other about messages that came back to the broker.
import { type AmqpChannel, type AmqpConnection, closeChannel } from './client/link.ts';
import { type OpenChannel, openChannel, RecoveringChannel } from './client/recovering-channel.ts';

const exchange = 'umbel_holders';
/** Milliseconds, as AMQP wants it: an older answer is of no use. */
const expiration = '60000';

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
  /** The owner of this mailbox has lost its connection; it may have another mailbox by now. */
  onGone(mailbox: string): void;
  /** The mailbox receives nothing any more. If the connection stays, another mailbox is opened. */
  onClosed(mailbox: HolderMailbox): void;
}

/**
 * Opens mailboxes for as long as the connection lasts, one at a time: another when the queue of the last is deleted, or its channel closes.
 * @throws what the server refuses
 */
export async function openMailboxes(connection: AmqpConnection, listener: MailboxListener): Promise<void> {
  // Refused later on, this worker goes on without a mailbox.
  await RecoveringChannel.open(
    () => HolderMailbox.open(connection, listener),
    () => undefined,
  );
}

/** A queue of this worker's, through which other workers ask it about messages. */
export class HolderMailbox {
  readonly name: string;
  readonly #channel: AmqpChannel;

  private constructor(name: string, channel: AmqpChannel) {
    this.name = name;
    this.#channel = channel;
  }

  static async open(connection: AmqpConnection, listener: MailboxListener): Promise<OpenChannel> {
    let name = '';
    const opened = await openChannel(connection, async (channel) => {
      channel.on('return', ({ fields }) => {
        if (fields.exchange === '') listener.onGone(fields.routingKey);
      });
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
    const mailbox = new HolderMailbox(name, opened.channel);
    listener.onOpen(mailbox);
    void opened.closed.then(() => listener.onClosed(mailbox));
    return opened;
  }

  toAll(message: HolderMessage): void {
    this.#publish(exchange, '', message);
  }

  /** If that is no longer there, the listener hears it. */
  to(mailbox: string, message: HolderMessage): void {
    this.#publish('', mailbox, message);
  }

  #publish(to: string, routingKey: string, message: HolderMessage): void {
    const options = { replyTo: this.name, expiration, mandatory: to === '' };
    try {
      this.#channel.publish(to, routingKey, Buffer.from(JSON.stringify(message)), options);
    } catch {
      // The channel went meanwhile: the next connection begins with saying who is back, and asks again.
    }
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
