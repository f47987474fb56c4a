// Dead letters in a queue of RabbitMQ. It is read on a channel that is closed afterwards: what was not acknowledged stays where it was.
import { type AmqpChannel, type AmqpGetMessage, closeChannel } from '../../clients/amqp/link.ts';
import type { DeadLetter, DeadLetters, DeadReason } from '../transport.ts';
import { deadQueue } from './declare.ts';
import type { Publisher } from './publisher.ts';
import { againOptions, deadHeader, rawOf } from './wire.ts';

/** At most this many are looked through; RabbitMQ cannot find one of many. */
const most = 10_000;

interface About {
  readonly id: number;
  readonly queue: string;
  readonly reason: DeadReason;
  readonly detail: string;
  readonly strikes: number;
  readonly diedAt: number;
  readonly exchange: string;
  readonly routingKey: string;
}

export class AmqpDeadLetters implements DeadLetters {
  readonly #publisher: Publisher;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  async list(
    options: { limit?: number; before?: number; queue?: string } = {},
  ): Promise<readonly DeadLetter[]> {
    const { limit = 100, before = Number.POSITIVE_INFINITY, queue } = options;
    const letters: DeadLetter[] = [];
    await this.#read(async (message, about) => {
      if (about.id < before && (queue === undefined || about.queue === queue))
        letters.push(toLetter(message, about));
      return false;
    });
    return letters.sort((a, b) => b.id - a.id).slice(0, limit);
  }

  async get(id: number): Promise<DeadLetter | undefined> {
    let found: DeadLetter | undefined;
    await this.#read(async (message, about) => {
      if (about.id === id) found = toLetter(message, about);
      return false;
    });
    return found;
  }

  async count(): Promise<number> {
    const { connection, declarations } = await this.#publisher.session();
    await declarations.dead();
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    const { messageCount } = await channel.checkQueue(deadQueue);
    await closeChannel(channel);
    return messageCount;
  }

  replay(id: number): Promise<boolean> {
    return this.#remove(id, async (message, { queue }) => {
      const outgoing = {
        id: '',
        exchange: '',
        routingKey: queue,
        content: message.content,
        options: againOptions(message, {}),
      };
      await this.#publisher.send((declarations) => declarations.queue(queue), [outgoing]);
    });
  }

  discard(id: number): Promise<boolean> {
    return this.#remove(id, async () => undefined);
  }

  async #remove(
    id: number,
    before: (message: AmqpGetMessage, about: About) => Promise<void>,
  ): Promise<boolean> {
    let removed = false;
    await this.#read(async (message, about, channel) => {
      if (about.id !== id) return false;
      await before(message, about);
      channel.ack(message);
      removed = true;
      return true;
    });
    return removed;
  }

  /** Looks at each until `see` says that it is enough. */
  async #read(
    see: (message: AmqpGetMessage, about: About, channel: AmqpChannel) => Promise<boolean>,
  ): Promise<void> {
    const { connection, declarations } = await this.#publisher.session();
    await declarations.dead();
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    try {
      for (let n = 0; n < most; n++) {
        const message = await channel.get(deadQueue);
        if (message === false) break;
        if (await see(message, aboutOf(message), channel)) break;
      }
    } finally {
      await closeChannel(channel);
    }
  }
}

function aboutOf({ properties }: AmqpGetMessage): About {
  const unknown: About = {
    id: 0,
    queue: '',
    reason: 'rejected',
    detail: '',
    strikes: 0,
    diedAt: 0,
    exchange: '',
    routingKey: '',
  };
  try {
    const about: unknown = JSON.parse(String(properties.headers?.[deadHeader]));
    return typeof about === 'object' && about !== null ? { ...unknown, ...about } : unknown;
  } catch {
    return unknown; // put there by somebody else
  }
}

function toLetter(message: AmqpGetMessage, about: About): DeadLetter {
  const { id, queue, reason, detail, strikes, diedAt, exchange, routingKey } = about;
  const raw = rawOf(message, { exchange, routing_key: routingKey });
  return { id, queue, reason, detail, strikes, diedAt: new Date(diedAt), raw };
}
