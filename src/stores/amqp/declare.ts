// Celery's queues, exchanges and delays on RabbitMQ, declared once per connection.

import { ConfigError } from '../../errors.ts';
import type { ExchangeDeclaration, QueueDeclaration } from '../topology.ts';
import { type AmqpChannel, type AmqpConnection, closeChannel } from './client/link.ts';
import { longestText } from './wire.ts';

/** The queue of dead letters. */
export const deadQueue = 'umbel.dead';

/** The queue of a queue's quarantined messages (see `isQuarantined`). */
export const quarantineQueueOf = (queue: string): string => `umbel.quarantine.${queue}`;

/** Celery's native delayed delivery has 28 levels, of up to 2^27 seconds. */
const levels = 28;
/** The longest delay of all levels together, seconds. */
const longestDelaySeconds: number = 2 ** levels - 1;
const arrival = 'celery_delayed_delivery';

const level = (n: number): string => `celery_delayed_${n}`;

/** After Celery's levels of seconds, levels of our own for the rest of a second: 8 to 512 milliseconds. */
const fineLevels = 7;
const fineStepMs = 8;
const fineArrival = 'umbel_delayed_delivery';
/** The last word of a key for these levels; no queue's binding at Celery's arrival matches it. */
const fineWord = 'umbel_ms';

const fineLevel = (n: number): string => `umbel_delayed_${n}`;

/**
 * An exchange between both arrivals and the queues. It has an alternate exchange, which the arrivals, as Celery declares them, do not have: a
 * message for a deleted queue goes to a queue of its own, until its queue is there again. Otherwise the level it came from would keep it, and
 * enough such messages block a level for all queues.
 */
const arrivalOfMissing = 'umbel_delayed_queues';
const unroutable = 'umbel_unroutable';
/** The queue of messages that were due while their queue was missing. */
export const unroutableQueue = 'umbel.unroutable';

/** The longest name of a queue, in bytes: its delays need a digit and a point for each of Celery's levels. */
const longestQueueName = longestText - 2 * levels;

/** Whether delayed messages go through this exchange. */
export function isOfDelays(exchange: string): boolean {
  return /^(?:celery|umbel)_delayed_/.test(exchange);
}

interface Level {
  /** The name of its exchange and of its queue. */
  readonly name: string;
  /** How long a message whose digit is a 1 waits here, milliseconds. */
  readonly ttlMs: number;
  /** The exchange after it. */
  readonly next: string;
  /** The number of digits before its own. */
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
/** In an order in which an exchange exists before another is bound to it. */
const everyLevel: readonly Level[] = [...coarseLevels, ...fractionLevels];
/** The levels next to the arrivals, which are bound to them, and the levels before those. */
const atEnds: readonly Level[] = [
  ...coarseLevels.slice(0, 2),
  ...fractionLevels.slice(0, 2),
  ...fractionLevels.slice(-1),
];

/** The queue that a delayed address with this key is for. */
export function queueOfDelayed(routingKey: string): string {
  const fine = routingKey.endsWith(`.${fineWord}`);
  const rest = routingKey.split('.').slice(levels + (fine ? fineLevels : 0), fine ? -1 : undefined);
  return rest.join('.');
}

/** A shorter delay is not worth the way through the broker, milliseconds: the worker waits. */
export const shortestDelayMs = 25;

/**
 * The address of a message that is to arrive in `queue` after `delayMs`, or up to 8 ms before: whole seconds as Celery
 * sends them, then the rest.
 */
export function delayedAddress(queue: string, delayMs: number): { exchange: string; routingKey: string } {
  const seconds = Math.min(Math.floor(delayMs / 1000), longestDelaySeconds);
  const coarse = words(seconds, levels);
  const fine = Math.floor((delayMs % 1000) / fineStepMs);
  const routingKey = `${coarse}.${words(fine, fineLevels)}.${queue}.${fineWord}`;
  // Celery sends it to the highest level, from where it passes all levels with a 0: up to 28 exchanges for each message.
  const first = level(highestBit(seconds));
  if ((fine === 0 && seconds > 0) || Buffer.byteLength(routingKey) > longestText)
    return { exchange: first, routingKey: `${coarse}.${queue}` };
  return { exchange: seconds === 0 ? fineLevel(highestBit(fine)) : first, routingKey };
}

/**
 * A queue's name is a part of longer names: of the routing keys of its delays, and of its quarantine queue. Without them a worker could take its
 * messages and not defer them.
 * @throws ConfigError
 */
export function checkQueueLength(queue: string): void {
  const bytes = Buffer.byteLength(queue);
  if (bytes > longestQueueName)
    throw new ConfigError(
      `the queue '${queue.slice(0, 40)}…' has ${bytes} bytes; RabbitMQ takes ${longestText}, of which tasks that wait need ${longestText - longestQueueName}: choose a name of ${longestQueueName} bytes at most`,
    );
}

function highestBit(value: number): number {
  return Math.max(0, 31 - Math.clz32(value));
}

function words(value: number, count: number): string {
  return [...value.toString(2).padStart(count, '0')].join('.');
}

/** The declared queues by name, and the declaration of any other queue. */
export interface Declared extends ReadonlyMap<string, QueueDeclaration> {
  readonly missing: (name: string) => QueueDeclaration;
}

export class Declarations {
  readonly #connection: AmqpConnection;
  readonly #declared: Declared;
  readonly #delayedQueueType: 'classic' | 'quorum';
  readonly #queues = new Map<string, Promise<void>>();
  readonly #quarantined = new Map<string, Promise<void>>();
  /** Queues that are bound to the delays, or soon will be. */
  readonly #bound = new Map<string, Promise<void>>();
  #levels: Promise<void> | null = null;
  #arrivals: Promise<void> | null = null;
  #dead: Promise<void> | null = null;

  /** For one connection: after a loss all is declared again. */
  constructor(connection: AmqpConnection, declared: Declared, delayedQueueType: 'classic' | 'quorum') {
    this.#connection = connection;
    this.#declared = declared;
    this.#delayedQueueType = delayedQueueType;
  }

  /**
   * Declares the queue with its exchanges and bindings.
   * @throws ConfigError when it exists with other arguments than the application declares; a queue that is not declared is used as it is
   */
  queue(name: string): Promise<void> {
    return once(this.#queues, name, () => this.#queue(name));
  }

  /** Declares what a delayed message to `queue` needs. */
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
   * Binds the queues to the delays again if exchanges were deleted, or another program declared a queue anew.
   * `delayed`: messages come through the levels, which are then repaired, too.
   */
  async repair(queues: readonly string[], { delayed }: { readonly delayed: boolean }): Promise<void> {
    this.#arrivals = null;
    for (const queue of queues) {
      this.#bound.delete(queue);
      await this.#bind(queue);
    }
    if (delayed) await this.#repairLevels();
  }

  /** The queue is gone: it is declared again when it is next needed. */
  forget(queue: string): void {
    this.#queues.delete(queue);
    this.#bound.delete(queue);
    this.#quarantined.delete(queue);
    this.#quarantined.delete(quarantineQueueOf(queue));
  }

  /** The exchanges and queues of the delays are gone. */
  forgetDelays(): void {
    this.#levels = null;
    this.#arrivals = null;
    this.#bound.clear();
  }

  /** Declares the quarantine queue of a queue, of the type of the delays' queues. */
  quarantined(queue: string): Promise<void> {
    return once(this.#quarantined, quarantineQueueOf(queue), () =>
      this.#with(async (channel) => {
        const options = { durable: true, arguments: { 'x-queue-type': this.#delayedQueueType } };
        try {
          await channel.assertQueue(quarantineQueueOf(queue), options);
        } catch (error) {
          if (!isPreconditionFailed(error)) throw error;
          // It exists with the other type: that is fine, too.
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
    // An immediate send does not wait for the binding; a delayed one does, and gets its error.
    this.#bind(name).catch(() => undefined);
  }

  #bind(queue: string): Promise<void> {
    return once(this.#bound, queue, () => this.#bindArrivals(queue));
  }

  /** Each program that declares the queue binds it, as Celery's worker does: the sender of a delayed message may be gone when the queue is declared. */
  async #bindArrivals(name: string): Promise<void> {
    this.#arrivals ??= forget(this.#declareArrivals(), () => {
      this.#arrivals = null;
    });
    await this.#arrivals;
    await this.#with(async (channel) => {
      const [whole, fine] = [`#.${name}`, `#.${name}.${fineWord}`];
      // First the way by which unroutable messages are kept.
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
      // The binding that a deleted exchange takes along, though the levels stay.
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
      // A Python program declared it with other arguments: we use it as it is.
      await this.#with(async (channel) => void (await channel.checkQueue(name)));
    }
  }

  #declareLevels(these: readonly Level[] = everyLevel): Promise<void> {
    return this.#with(async (channel) => {
      for (const each of these) await this.#declareLevel(channel, each);
    });
  }

  /**
   * A deleted exchange takes along the bindings to it and from it. Exchanges that every program declares may be there without their bindings; the
   * others are only checked, which costs less than to declare them.
   */
  async #repairLevels(): Promise<void> {
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

  /** Declares the level of one digit: a message waits here if its digit is 1, and passes at once if it is 0. */
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

  /** On a channel of its own, since a refusal closes the channel. */
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

/** Calls `make` once for each name; after a failure the next caller tries again. */
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
