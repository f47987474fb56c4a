// Dead letters in a queue of RabbitMQ. It is read on a channel that is closed afterwards, or with the process: messages that were not
// acknowledged are then in their places again.
import { createHash } from 'node:crypto';
import { NotReplayableError } from '../../errors.ts';
import type { DeadLetterStore, DeadReason, StoredDeadLetter, SweepAction } from '../transport.ts';
import { type AmqpChannel, type AmqpMessage, closeChannel } from './client/link.ts';
import { deadQueue } from './declare.ts';
import { lookThrough } from './look-through.ts';
import type { Publisher } from './publisher.ts';
import { copyMark } from './republish.ts';
import { againOptions, deadHeader, rawOf, replayedHeader } from './wire.ts';

interface About {
  readonly id: number;
  readonly queue: string;
  readonly reason: DeadReason;
  readonly detail: string;
  readonly crashes: number;
  readonly diedAt: number;
  readonly exchange: string;
  readonly routingKey: string;
}

export class AmqpDeadLetters implements DeadLetterStore {
  readonly #publisher: Publisher;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  async list(
    options: { limit?: number; before?: number; queue?: string } = {},
  ): Promise<readonly StoredDeadLetter[]> {
    const { limit = 100, before = Number.POSITIVE_INFINITY, queue } = options;
    const letters: StoredDeadLetter[] = [];
    await this.#read((message, about) => {
      if (about.id >= before || (queue !== undefined && about.queue !== queue)) return 'keep';
      letters.push(toDeadLetter(message, about));
      // They come oldest first, or nearly so. Only as many as needed are kept.
      if (letters.length >= 2 * limit) letters.sort(newestFirst).splice(limit);
      return 'keep';
    });
    return letters.sort(newestFirst).slice(0, limit);
  }

  async get(id: number): Promise<StoredDeadLetter | undefined> {
    let found: StoredDeadLetter | undefined;
    await this.#read((message, about) => {
      if (about.id !== id) return 'keep';
      found = toDeadLetter(message, about);
      return 'stop';
    });
    return found;
  }

  count(): Promise<number> {
    return this.#on(async (channel) => (await channel.checkQueue(deadQueue)).messageCount);
  }

  replay(id: number): Promise<boolean> {
    return this.#take(id, 'replay');
  }

  discard(id: number): Promise<boolean> {
    return this.#take(id, 'discard');
  }

  sweep(
    visit: (id: number, read: () => StoredDeadLetter) => SweepAction | Promise<SweepAction>,
  ): Promise<void> {
    return this.#read((message, about) => visit(about.id, () => toDeadLetter(message, about)));
  }

  async #take(id: number, action: SweepAction): Promise<boolean> {
    let taken = false;
    await this.#read((_, about) => {
      if (taken) return 'stop';
      taken = about.id === id;
      return taken ? action : 'keep';
    });
    return taken;
  }

  /** Visits each dead letter until told to stop. RabbitMQ cannot find a single one: all that were visited are held until the end. */
  #read(see: (message: AmqpMessage, about: About) => SweepAction | Promise<SweepAction>): Promise<void> {
    return this.#on(async (channel) => {
      for await (const message of lookThrough(channel, deadQueue)) {
        const about = aboutOf(message);
        const action = await see(message, about);
        if (action === 'stop') break;
        if (action === 'replay') await this.#publish(message, about);
        if (action !== 'keep') channel.ack(message);
      }
    });
  }

  #on<T>(work: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    return this.#publisher.during(async ({ connection, declarations }) => {
      await declarations.dead();
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      try {
        return await work(channel);
      } finally {
        await closeChannel(channel); // also sends an acknowledgement that is on its way
      }
    });
  }

  /** Confirmed before the dead letter is acknowledged: a crash in between leaves the message twice, under one id, and marked so. */
  async #publish(message: AmqpMessage, { id, queue }: About): Promise<void> {
    if (queue === '') throw new NotReplayableError([id]);
    const outgoing = {
      id: '',
      exchange: '',
      routingKey: queue,
      content: message.content,
      options: againOptions(message, { [replayedHeader]: copyMark() }),
    };
    await this.#publisher.send((declarations) => declarations.queue(queue), [outgoing]);
  }
}

const newestFirst = (a: StoredDeadLetter, b: StoredDeadLetter): number => b.id - a.id;

function aboutOf({ properties, content }: AmqpMessage): About {
  const unknown: About = {
    id: createHash('sha256').update(content).digest().readUIntBE(0, 6), // it has no id, and must be found again
    queue: '',
    reason: 'rejected',
    detail: '',
    crashes: 0,
    diedAt: 0,
    exchange: '',
    routingKey: '',
  };
  try {
    const about: unknown = JSON.parse(String(properties.headers?.[deadHeader]));
    if (typeof about === 'object' && about !== null) return { ...unknown, ...about };
  } catch {
    // put there by another program
  }
  return unknown;
}

function toDeadLetter(message: AmqpMessage, about: About): StoredDeadLetter {
  const { id, queue, reason, detail, crashes, diedAt, exchange, routingKey } = about;
  const raw = rawOf(message, { exchange, routing_key: routingKey });
  return { id, queue, reason, detail, crashes, diedAt: new Date(diedAt), raw };
}
