// Celery's queues, exchanges and delays on RabbitMQ, declared once per connection.

import { ConfigError } from '../../errors.ts';
import type { ExchangeDeclaration, QueueDeclaration } from '../topology.ts';
import { type AmqpChannel, type AmqpConnection, closeChannel } from './client/link.ts';

/** Where dead letters lie. */
export const deadQueue = 'umbel.dead';

/** Where a queue's quarantined messages wait (see `isQuarantined`). */
export const quarantineQueueOf = (queue: string): string => `umbel.quarantine.${queue}`;

/** Celery's native delayed delivery: 28 levels, 2^27 seconds the longest. */
const levels = 28;
/** Longest delay that the levels can say, seconds. */
const longestDelaySeconds: number = 2 ** levels - 1;
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

/**
 * From both arrivals to the queues once more, by an exchange with an alternate one, which the arrivals, as Celery declares them, have not:
 * what comes for a queue that was deleted lies in a queue of its own until the other is there again. It would else be kept by the level
 * that it came from, and enough of such ones stop a level for all queues.
 */
const arrivalOfMissing = 'umbel_delayed_queues';
const unroutable = 'umbel_unroutable';
/** Where messages lie that waited for their time and found no queue. */
export const unroutableQueue = 'umbel.unroutable';

/** Whether the exchange is one through which messages go that wait for their time. */
export function isOfDelays(exchange: string): boolean {
  return /^(?:celery|umbel)_delayed_/.test(exchange);
}

interface Level {
  /** Of its exchange and its queue. */
  readonly name: string;
  /** How long a message waits here whose digit is a 1. */
  readonly ttlMs: number;
  /** The exchange that it goes to then. */
  readonly next: string;
  /** Digits before its own. */
  readonly skipped: number;
}

const coarseLevel = (n: number): Level => ({
  name: level(n),
  ttlMs: 2 ** n * 1000,
  next: n === 0 ? arrival : level(n - 1),
  skipped: levels - 1 - n,
});

const fractionLevel = (n: number): Level => ({
  name: fineLevel(n),
  ttlMs: 2 ** n * fineStepMs,
  next: n === 0 ? fineArrival : fineLevel(n - 1),
  skipped: levels + fineLevels - 1 - n,
});

const coarseLevels = Array.from({ length: levels }, (_, n) => coarseLevel(n));
const fractionLevels = Array.from({ length: fineLevels }, (_, n) => fractionLevel(n));
/** A level's exchange is there before another is bound to it. */
const everyLevel: readonly Level[] = [...coarseLevels, ...fractionLevels];
/** Those beside the arrivals, which is where they are bound, and those before them. */
const atEnds: readonly Level[] = [
  ...coarseLevels.slice(0, 2),
  ...fractionLevels.slice(0, 2),
  ...fractionLevels.slice(-1),
];

/** The queue that a message with this key, of a delayed address, is for. */
export function queueOfDelayed(routingKey: string): string {
  const fine = routingKey.endsWith(`.${fineWord}`);
  const rest = routingKey.split('.').slice(levels + (fine ? fineLevels : 0), fine ? -1 : undefined);
  return rest.join('.');
}

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
  readonly #quarantined = new Map<string, Promise<void>>();
  /** Those that are bound to the delays, or soon. */
  readonly #bound = new Map<string, Promise<void>>();
  #levels: Promise<void> | null = null;
  #arrivals: Promise<void> | null = null;
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
    await this.#bind(queue);
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
  }

  /**
   * Binds the queues to the delays again where somebody has undone that: deleted exchanges, a queue that another program declared anew.
   * `delayed`: messages come by way of the levels, which are whole again, too.
   */
  async mend(queues: readonly string[], { delayed }: { readonly delayed: boolean }): Promise<void> {
    this.#arrivals = null;
    for (const queue of queues) {
      this.#bound.delete(queue);
      await this.#bind(queue);
    }
    if (delayed) await this.#mendLevels();
  }

  /** The queue is no longer there: who needs it next declares it again. */
  forget(queue: string): void {
    this.#queues.delete(queue);
    this.#bound.delete(queue);
    this.#quarantined.delete(queue);
    this.#quarantined.delete(quarantineQueueOf(queue));
  }

  /** The exchanges and queues of the delays are no longer there. */
  forgetDelays(): void {
    this.#levels = null;
    this.#arrivals = null;
    this.#bound.clear();
  }

  /** Where this queue's quarantined messages wait. It is of the type that the queues of future tasks are of. */
  quarantined(queue: string): Promise<void> {
    return once(this.#quarantined, quarantineQueueOf(queue), () =>
      this.#with(async (channel) => {
        const options = { durable: true, arguments: { 'x-queue-type': this.#delayedQueueType } };
        try {
          await channel.assertQueue(quarantineQueueOf(queue), options);
        } catch (error) {
          if (!isPreconditionFailed(error)) throw error;
          // It is there, of the other type: that does as well.
          await this.#with(async (another) => void (await another.checkQueue(quarantineQueueOf(queue))));
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
    await this.#declareQueue(name);
    // What is sent at once does not wait for that; what is sent for later does, and hears when it may not be.
    this.#bind(name).catch(() => undefined);
  }

  #bind(queue: string): Promise<void> {
    return once(this.#bound, queue, () => this.#bindArrivals(queue));
  }

  /** Whoever declares it binds it, as Celery's worker does: who sent for later has long gone, perhaps, or does not hear that it was deleted. */
  async #bindArrivals(name: string): Promise<void> {
    this.#arrivals ??= forget(this.#declareArrivals(), () => {
      this.#arrivals = null;
    });
    await this.#arrivals;
    await this.#with(async (channel) => {
      const [whole, fine] = [`#.${name}`, `#.${name}.${fineWord}`];
      // First the way by which it is kept.
      await channel.bindExchange(arrivalOfMissing, arrival, whole);
      await channel.bindExchange(arrivalOfMissing, fineArrival, fine);
      for (const [exchange, key] of [
        [arrivalOfMissing, whole],
        [arrivalOfMissing, fine],
        [arrival, whole],
        [fineArrival, fine],
      ] as const)
        await channel.bindQueue(name, exchange, key);
    });
  }

  #declareArrivals(): Promise<void> {
    return this.#with(async (channel) => {
      await channel.assertExchange(unroutable, 'fanout', { durable: true });
      await channel.assertQueue(unroutableQueue, { durable: true });
      await channel.bindQueue(unroutableQueue, unroutable, '');
      const kept = { durable: true, alternateExchange: unroutable };
      await channel.assertExchange(arrivalOfMissing, 'topic', kept);
      const [last, lastFine, firstFine] = [level(0), fineLevel(0), fineLevel(fineLevels - 1)];
      for (const exchange of [arrival, fineArrival, last, lastFine, firstFine])
        await channel.assertExchange(exchange, 'topic', { durable: true });
      // What goes with an exchange that is deleted, though the levels stay.
      await channel.bindExchange(arrival, last, `${'*.'.repeat(levels - 1)}0.#`);
      await channel.bindExchange(fineArrival, lastFine, `${'*.'.repeat(levels + fineLevels - 1)}0.#`);
      await channel.bindExchange(firstFine, arrival, `#.${fineWord}`);
    });
  }

  async #declareQueue(name: string): Promise<void> {
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

  #declareLevels(these: readonly Level[] = everyLevel): Promise<void> {
    return this.#with(async (channel) => {
      for (const each of these) await this.#declareLevel(channel, each);
    });
  }

  /**
   * With an exchange go the ways to it and from it. Those that everybody makes who binds a queue may be there and lead nowhere; of the others it
   * is asked, which costs less than to declare them.
   */
  async #mendLevels(): Promise<void> {
    const others = everyLevel.filter((each) => !atEnds.includes(each));
    await this.#declareLevels((await this.#areThere(others)) ? atEnds : everyLevel);
  }

  async #areThere(these: readonly Level[]): Promise<boolean> {
    try {
      await this.#with(async (channel) => {
        for (const { name } of these) await channel.checkExchange(name);
      });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** One digit of the delay: waits here for its time where that is a 1, and goes on at once where it is a 0. */
  async #declareLevel(channel: AmqpChannel, { name, ttlMs, next, skipped }: Level): Promise<void> {
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

export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404;
}

function isPreconditionFailed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 406;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
