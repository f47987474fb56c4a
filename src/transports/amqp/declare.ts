// Celery's queues, exchanges and delays on RabbitMQ, declared once per connection.
import { type AmqpChannel, type AmqpConnection, closeChannel } from '../../clients/amqp/link.ts';
import { ConfigError } from '../../errors.ts';
import type { ExchangeDeclaration, QueueDeclaration } from '../topology.ts';

/** Where dead letters lie. */
export const deadQueue = 'umbel.dead';

/** Where a queue's suspects wait (see `isSuspect`). */
export const suspectsOf = (queue: string): string => `umbel.suspects.${queue}`;

/** Celery's native delayed delivery: 28 levels, 2^27 seconds the longest. */
const levels = 28;
/** Longest delay that the levels can say, seconds. */
export const longestDelaySeconds: number = 2 ** levels - 1;
const arrival = 'celery_delayed_delivery';

const level = (n: number): string => `celery_delayed_${n}`;

/** After Celery's seconds, levels of our own for the rest of a second: 8 to 512 milliseconds. */
const fineLevels = 7;
const fineStepMs = 8;
const fineArrival = 'umbel_delayed_delivery';
/** The last word of a key that is to go through them: no queue's binding at Celery's arrival takes it. */
const fineWord = 'umbel_ms';
const longestRoutingKey = 255;

const fineLevel = (n: number): string => `umbel_delayed_${n}`;

/** Less than this is not worth the way through the broker: whoever gets the message waits. */
export const shortestDelayMs = 25;

/**
 * Where a message goes to that is to arrive in `queue` after so many milliseconds, or up to 8 before: whole seconds as Celery
 * sends them, then the rest.
 */
export function delayedAddress(queue: string, delayMs: number): { exchange: string; routingKey: string } {
  const seconds = Math.min(Math.floor(delayMs / 1000), longestDelaySeconds);
  const coarse = words(seconds, levels);
  const fine = Math.floor((delayMs % 1000) / fineStepMs);
  const routingKey = `${coarse}.${words(fine, fineLevels)}.${queue}.${fineWord}`;
  // Celery sends it to the highest level, from where it passes all that have a 0: up to 28 exchanges for each message.
  const first = level(highestBit(seconds));
  if ((fine === 0 && seconds > 0) || Buffer.byteLength(routingKey) > longestRoutingKey)
    return { exchange: first, routingKey: `${coarse}.${queue}` };
  return { exchange: seconds === 0 ? fineLevel(highestBit(fine)) : first, routingKey };
}

function highestBit(value: number): number {
  return Math.max(0, 31 - Math.clz32(value));
}

function words(value: number, count: number): string {
  return [...value.toString(2).padStart(count, '0')].join('.');
}

/** The queues of which something is said, by name, and what any other is. */
export interface Declared extends ReadonlyMap<string, QueueDeclaration> {
  readonly missing: (name: string) => QueueDeclaration;
}

export class Declarations {
  readonly #connection: AmqpConnection;
  readonly #declared: Declared;
  readonly #delayedQueueType: 'classic' | 'quorum';
  readonly #queues = new Map<string, Promise<void>>();
  readonly #delayed = new Map<string, Promise<void>>();
  readonly #suspects = new Map<string, Promise<void>>();
  #levels: Promise<void> | null = null;
  #dead: Promise<void> | null = null;

  /** For one connection: after it is lost all is declared again. */
  constructor(connection: AmqpConnection, declared: Declared, delayedQueueType: 'classic' | 'quorum') {
    this.#connection = connection;
    this.#declared = declared;
    this.#delayedQueueType = delayedQueueType;
  }

  /**
   * The queue with its exchanges and bindings.
   * @throws ConfigError when it was declared here and exists otherwise; one of which nothing was said is taken as it is.
   */
  queue(name: string): Promise<void> {
    return once(this.#queues, name, () => this.#queue(name));
  }

  /** What a message to `queue` needs that is to wait at the broker. */
  async delayed(queue: string): Promise<void> {
    await this.queue(queue);
    this.#levels ??= forget(this.#declareLevels(), () => {
      this.#levels = null;
    });
    try {
      await this.#levels;
    } catch (error) {
      if (!isPreconditionFailed(error)) throw error;
      throw new ConfigError(
        `the queues in which future tasks wait exist on RabbitMQ otherwise than as '${this.#delayedQueueType}' queues: ${messageOf(error)}; say which type they have with brokerTransportOptions.delayedQueueType`,
        { cause: error },
      );
    }
    await once(this.#delayed, queue, () =>
      this.#with(async (channel) => {
        await channel.bindQueue(queue, arrival, `#.${queue}`);
        await channel.bindQueue(queue, fineArrival, `#.${queue}.${fineWord}`);
      }),
    );
  }

  /** The queue is no longer there: who needs it next declares it again. */
  forget(queue: string): void {
    this.#queues.delete(queue);
    this.#delayed.delete(queue);
    this.#suspects.delete(queue);
    this.#suspects.delete(suspectsOf(queue));
  }

  /** Where this queue's suspects wait. It is of the type that the queues of future tasks are of. */
  suspects(queue: string): Promise<void> {
    return once(this.#suspects, suspectsOf(queue), () =>
      this.#with(async (channel) => {
        const options = { durable: true, arguments: { 'x-queue-type': this.#delayedQueueType } };
        try {
          await channel.assertQueue(suspectsOf(queue), options);
        } catch (error) {
          if (!isPreconditionFailed(error)) throw error;
          // It is there, of the other type: that does as well.
          await this.#with(async (another) => void (await another.checkQueue(suspectsOf(queue))));
        }
      }),
    );
  }

  dead(): Promise<void> {
    this.#dead ??= forget(
      this.#with(async (channel) => void (await channel.assertQueue(deadQueue, { durable: true }))),
      () => {
        this.#dead = null;
      },
    );
    return this.#dead;
  }

  async #queue(name: string): Promise<void> {
    const given = this.#declared.get(name);
    const queue = given ?? this.#declared.missing(name);
    try {
      await this.#with(async (channel) => {
        for (const { exchange, routingKey } of queue.bindings)
          await assertExchange(channel, exchange, routingKey);
        await channel.assertQueue(name, {
          durable: queue.durable,
          exclusive: queue.exclusive,
          autoDelete: queue.autoDelete,
          arguments: {
            ...queue.arguments,
            ...(queue.type !== null && { 'x-queue-type': queue.type }),
            ...(queue.maxPriority !== null && { 'x-max-priority': queue.maxPriority }),
          },
        });
        for (const { exchange, routingKey } of queue.bindings)
          await channel.bindQueue(name, exchange.name, routingKey);
      });
    } catch (error) {
      if (!isPreconditionFailed(error)) throw error;
      if (given !== undefined)
        throw new ConfigError(
          `the queue '${name}' exists on RabbitMQ otherwise than taskQueues says: ${messageOf(error)}; declare it alike on all sides, or delete it`,
          { cause: error },
        );
      // A Python program declared it in its own way: we use it as it is.
      await this.#with(async (channel) => void (await channel.checkQueue(name)));
    }
  }

  #declareLevels(): Promise<void> {
    return this.#with(async (channel) => {
      await channel.assertExchange(arrival, 'topic', { durable: true });
      for (let n = 0; n < levels; n++)
        await this.#declareLevel(channel, {
          name: level(n),
          ttlMs: 2 ** n * 1000,
          next: n === 0 ? arrival : level(n - 1),
          skipped: levels - 1 - n,
        });
      await channel.assertExchange(fineArrival, 'topic', { durable: true });
      for (let n = 0; n < fineLevels; n++)
        await this.#declareLevel(channel, {
          name: fineLevel(n),
          ttlMs: 2 ** n * fineStepMs,
          next: n === 0 ? fineArrival : fineLevel(n - 1),
          skipped: levels + fineLevels - 1 - n,
        });
      await channel.bindExchange(fineLevel(fineLevels - 1), arrival, `#.${fineWord}`);
    });
  }

  /** One digit of the delay: waits here for its time where that is a 1, and goes on at once where it is a 0. */
  async #declareLevel(
    channel: AmqpChannel,
    { name, ttlMs, next, skipped }: { name: string; ttlMs: number; next: string; skipped: number },
  ): Promise<void> {
    await channel.assertExchange(name, 'topic', { durable: true });
    await channel.assertQueue(name, {
      durable: true,
      arguments: {
        'x-queue-type': this.#delayedQueueType,
        'x-overflow': 'reject-publish',
        'x-message-ttl': ttlMs,
        'x-dead-letter-exchange': next,
        ...(this.#delayedQueueType === 'quorum' && { 'x-dead-letter-strategy': 'at-least-once' }),
      },
    });
    const before = '*.'.repeat(skipped);
    await channel.bindQueue(name, name, `${before}1.#`);
    await channel.bindExchange(next, name, `${before}0.#`);
  }

  /** On a channel of its own: a refusal closes the channel that it comes on. */
  async #with(declare: (channel: AmqpChannel) => Promise<void>): Promise<void> {
    const channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    await declare(channel);
    await closeChannel(channel);
  }
}

async function assertExchange(
  channel: AmqpChannel,
  exchange: ExchangeDeclaration,
  _key: string,
): Promise<void> {
  await channel.assertExchange(exchange.name, exchange.type, { durable: exchange.durable });
}

/** Done once; what failed is tried again by the next who asks. */
function once(done: Map<string, Promise<void>>, name: string, make: () => Promise<void>): Promise<void> {
  const known = done.get(name);
  if (known !== undefined) return known;
  const making = forget(make(), () => done.delete(name));
  done.set(name, making);
  return making;
}

function forget(promise: Promise<void>, onFailure: () => void): Promise<void> {
  promise.catch(onFailure);
  return promise;
}

function isPreconditionFailed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 406;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
