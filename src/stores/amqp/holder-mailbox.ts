// What the workers of a virtual host tell each other about messages that came back.
import { type AmqpChannel, type AmqpConnection, closeChannel } from './client/link.ts';
import { type OpenChannel, openChannel, RecoveringChannel } from './client/recovering-channel.ts';

const exchange = 'umbel_holders';
/** Nobody wants an old answer. */
const expiration = '60000';

/** Messages are named by their keys (see `keyOf`). A letter may say several things. */
export interface Letter {
  /** These came back to me: who had them before? */
  readonly whose?: readonly string[];
  /** I am connected again. These I had in hand when my connection broke; absent: it is about something else. */
  readonly back?: readonly string[] | undefined;
  /** The code of these is running here. */
  readonly held?: readonly string[];
  /** These are over: acknowledge them. */
  readonly over?: readonly string[];
  /** These I had, and did not begin. */
  readonly free?: readonly string[];
  /** These I have given away as those of a dead worker. */
  readonly gone?: readonly string[];
  /** Of these I know nothing. */
  readonly unknown?: readonly string[];
}

interface MailboxListener {
  /** This mailbox is open, in place of the one before it. */
  onOpen(mailbox: HolderMailbox): void;
  /** `isToAll`: who has nothing to say need not answer. */
  onLetter(letter: Letter, from: string, isToAll: boolean): void;
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
          listener.onLetter(readLetter(message.content), from, message.fields.exchange !== '');
        },
        { noAck: true },
      );
    });
    const mailbox = new HolderMailbox(name, opened.channel);
    listener.onOpen(mailbox);
    void opened.closed.then(() => listener.onClosed(mailbox));
    return opened;
  }

  toAll(letter: Letter): void {
    this.#publish(exchange, '', letter);
  }

  /** If that is no longer there, the listener hears it. */
  to(mailbox: string, letter: Letter): void {
    this.#publish('', mailbox, letter);
  }

  #publish(to: string, routingKey: string, letter: Letter): void {
    const options = { replyTo: this.name, expiration, mandatory: to === '' };
    try {
      this.#channel.publish(to, routingKey, Buffer.from(JSON.stringify(letter)), options);
    } catch {
      // The channel went meanwhile: the next connection begins with saying who is back, and asks again.
    }
  }
}

function readLetter(content: Buffer): Letter {
  try {
    const said: unknown = JSON.parse(content.toString());
    if (typeof said !== 'object' || said === null) return {};
    const keys = (name: keyof Letter): readonly string[] => {
      const value: unknown = Reflect.get(said, name);
      return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
    };
    return {
      whose: keys('whose'),
      back: 'back' in said ? keys('back') : undefined,
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
