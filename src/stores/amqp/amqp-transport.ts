// The transport over RabbitMQ, with Celery's exchanges and queues.

import { BrokerUnavailable, SendUnconfirmed } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { HistoryStream, HistoryStreamOptions } from '../history-stream.ts';
import { checkQueueName } from '../reserved-names.ts';
import { StatusNotifier } from '../status.ts';
import type { HealthFigure, StoreHealthOptions } from '../store-health.ts';
import { plainQueue, type QueueDeclaration, type TransportOptions } from '../topology.ts';
import type {
  ConsumeOptions,
  Consumer,
  Publication,
  PublishOptions,
  QueueSize,
  Transport,
  TransportFeatures,
  TransportStatus,
} from '../transport.ts';
import type { WaitingChanges } from '../waiting.ts';
import { AmqpConsumer } from './amqp-consumer.ts';
import { AmqpDeadLetters } from './amqp-dead-letters.ts';
import { AmqpFanout } from './amqp-fanout.ts';
import { AmqpRevocations } from './amqp-revocations.ts';
import { closeChannel } from './client/link.ts';
import { type AmqpSettings, amqpSettings } from './client/settings.ts';
import {
  checkQueueLength,
  type Declarations,
  type Declared,
  delayedAddress,
  quarantineQueueOf,
  shortestDelayMs,
} from './declare.ts';
import { type AmqpPublication, Publisher } from './publisher.ts';
import { queuesOfUnroutable } from './unroutable.ts';
import { checkShort, toOptions } from './wire.ts';

/** @throws ConfigError for a URL or option that is not understood. Does not wait for the server. */
export async function openAmqpTransport(
  url: string,
  { queues, missing = plainQueue, driver }: TransportOptions,
  clock: Clock = systemClock,
): Promise<AmqpTransport> {
  return new AmqpTransport(amqpSettings(url, 'broker', driver), declaredOf(queues, missing), clock);
}

export class AmqpTransport implements Transport {
  readonly name = 'amqp';
  readonly features: TransportFeatures = {
    priority: false, // only queues that are declared with `maxPriority`
    priorityOrder: 'highest-first',
    exchanges: true,
    once: false,
    multiProcess: true,
    durable: true,
    atomicSettlement: false,
    leaseExpires: true,
    counts: false,
    keepsPlace: false,
    choosesWaiting: false,
  };
  readonly store: object = {};
  readonly deadLetters: AmqpDeadLetters;
  readonly fanout: AmqpFanout;
  readonly revocations: AmqpRevocations;
  readonly #settings: AmqpSettings;
  readonly #declared: Declared;
  readonly #status = new StatusNotifier({ state: 'reconnecting', reason: null });
  readonly onStatus: Transport['onStatus'] = this.#status.listen;
  readonly #clock: Clock;
  readonly #publisher: Publisher;
  readonly #consumers = new Set<AmqpConsumer>();
  /** The queues that were used here: RabbitMQ does not list queues. */
  readonly #used = new Set<string>();
  readonly #unconfirmed = new Set<string>();
  /** Queues without a quarantine queue, and when that was found, milliseconds. */
  readonly #withoutQuarantine = new Map<string, number>();
  #closed = false;

  constructor(settings: AmqpSettings, declared: Declared, clock: Clock) {
    this.#settings = settings;
    this.#declared = declared;
    this.#clock = clock;
    this.#publisher = new Publisher(settings, this.#declared, (state) => this.#status.set(state));
    this.deadLetters = new AmqpDeadLetters(this.#publisher);
    this.fanout = new AmqpFanout(settings);
    this.revocations = new AmqpRevocations(settings);
  }

  get status(): TransportStatus {
    return this.#status.status;
  }

  async publish(publications: readonly Publication[], options: PublishOptions = {}): Promise<void> {
    this.#refuseIfClosed();
    options.signal?.throwIfAborted();
    if (publications.some(({ write }) => write !== undefined))
      throw new TypeError('a write made for another store cannot travel with this message');
    for (const { queue } of publications) checkName(queue);
    const now = this.#clock.now();
    const messages = publications.map((publication) => this.#outgoing(publication, now));
    for (const { routingKey, exchange, options: properties } of messages) {
      checkShort('the exchange', exchange);
      checkShort('the routing key', routingKey);
      checkShort('the id', properties.correlationId ?? '');
      checkShort('the reply queue', properties.replyTo ?? '');
    }
    const prepare = async (declarations: Declarations): Promise<void> => {
      const direct = new Set<string>();
      const delayed = new Set<string>();
      for (const { queue, exchange, eta } of publications) {
        if (exchange === undefined) (delayMs(eta, now) > 0 ? delayed : direct).add(queue);
        else for (const name of this.#declared.keys()) direct.add(name);
      }
      for (const queue of direct) await declarations.queue(queue);
      for (const queue of delayed) await declarations.delayed(queue);
    };
    try {
      await this.#publisher.send(prepare, messages, options);
    } catch (error) {
      if (error instanceof SendUnconfirmed) for (const id of error.taskIds) this.#noteUnconfirmed(id);
      throw error;
    }
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.#refuseIfClosed();
    for (const queue of options.queues) {
      checkName(queue);
      this.#used.add(queue);
    }
    const consumer = new AmqpConsumer({
      settings: this.#settings,
      declared: this.#declared,
      publisher: this.#publisher,
      clock: this.#clock,
      options,
      publish: (publications) => this.publish(publications),
      onClose: () => this.#consumers.delete(consumer),
    });
    this.#consumers.add(consumer);
    try {
      await consumer.join(this.#settings.connectTimeoutMs + 6000);
    } catch (error) {
      await consumer.close();
      throw error;
    }
    return consumer;
  }

  /** Without `scheduled`, and without messages that other processes hold. */
  async size(queue: string): Promise<QueueSize> {
    this.#refuseIfClosed();
    checkQueueLength(queue);
    let claimed = 0;
    for (const consumer of this.#consumers) claimed += consumer.held(queue);
    const ready = (await this.#waiting(queue)) + (await this.#quarantinedIn(queue));
    return { ready, scheduled: 0, claimed };
  }

  async queues(): Promise<readonly string[]> {
    const names = [...new Set([...this.#declared.keys(), ...this.#used])].sort();
    const sizes = await Promise.all(names.map((name) => this.size(name)));
    return names.filter((_, n) => {
      const size = sizes[n];
      return size !== undefined && size.ready + size.claimed > 0;
    });
  }

  /** Messages that wait at the broker for their time are not deleted. */
  async purge(queue: string): Promise<number> {
    this.#refuseIfClosed();
    checkQueueLength(queue);
    return this.#publisher.during(async ({ connection, declarations }) => {
      await declarations.queue(queue);
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      const { messageCount } = await channel.purgeQueue(queue);
      this.#withoutQuarantine.delete(queue);
      const quarantined = await this.#quarantinedIn(queue);
      if (quarantined > 0) await channel.purgeQueue(quarantineQueueOf(queue));
      await closeChannel(channel);
      return messageCount + quarantined;
    });
  }

  async changeWaiting(queue: string, changes: WaitingChanges): Promise<number> {
    this.#refuseIfClosed();
    const { changeWaiting } = await import('./amqp-waiting.ts');
    return changeWaiting(this.#publisher, queue, changes, (name) => this.#used.add(name));
  }

  async openHistoryStream(options: HistoryStreamOptions): Promise<HistoryStream> {
    const { AmqpHistoryStream } = await import('./amqp-history-stream.ts');
    return new AmqpHistoryStream(this.#settings, this.#publisher, options);
  }

  async health({ managementUrl }: StoreHealthOptions): Promise<readonly HealthFigure[]> {
    this.#refuseIfClosed();
    const { amqpHealth } = await import('./amqp-health.ts');
    return amqpHealth(this.status, managementUrl);
  }

  async unroutable(): Promise<ReadonlyMap<string, number>> {
    this.#refuseIfClosed();
    return this.#publisher.during(({ connection }) => queuesOfUnroutable(connection));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const consumer of [...this.#consumers]) await consumer.close();
    await this.fanout.close();
    await this.#publisher.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #outgoing({ id, queue, exchange, message, eta }: Publication, now: number): AmqpPublication {
    if (exchange === undefined) this.#used.add(queue);
    const content = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
    const base = { id, content, options: toOptions(message, this.#unconfirmed.has(id)) };
    if (exchange !== undefined) return { ...base, exchange: exchange.name, routingKey: exchange.routingKey };
    const waitMs = delayMs(eta, now);
    return waitMs > 0
      ? { ...base, ...delayedAddress(queue, waitMs) }
      : { ...base, exchange: '', routingKey: queue };
  }

  /** If it is sent again, there may be two copies: the second is marked, so that its result is looked up before it runs. */
  #noteUnconfirmed(id: string): void {
    this.#unconfirmed.add(id);
    const [oldest] = this.#unconfirmed;
    if (this.#unconfirmed.size > maxUnconfirmed && oldest !== undefined) this.#unconfirmed.delete(oldest);
  }

  /** RabbitMQ logs each question for a missing queue as an error: it is not asked again for a while. */
  async #quarantinedIn(queue: string): Promise<number> {
    const now = performance.now();
    if (now - (this.#withoutQuarantine.get(queue) ?? Number.NEGATIVE_INFINITY) < withoutQuarantineMs)
      return 0;
    return this.#waiting(quarantineQueueOf(queue), () => this.#withoutQuarantine.set(queue, now));
  }

  #waiting(queue: string, onMissing?: () => void): Promise<number> {
    return this.#publisher.during(async ({ connection }) => {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      try {
        const { messageCount } = await channel.checkQueue(queue);
        await closeChannel(channel);
        return messageCount;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 404) {
          onMissing?.();
          return 0;
        }
        throw new BrokerUnavailable(`${this.#settings.shown}: ${String(error)}`, { cause: error });
      }
    });
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new BrokerUnavailable(`this handle on ${this.#settings.shown} is closed`);
  }
}

const maxUnconfirmed = 10_000;
const withoutQuarantineMs = 60_000;

/** @throws ReservedNameError, ConfigError */
function checkName(queue: string): void {
  checkQueueName(queue);
  checkQueueLength(queue);
}

/** How long a message waits at the broker, milliseconds; for the rest of the time its worker waits. */
function delayMs(eta: Date | null, now: number): number {
  const wait = eta === null ? 0 : eta.getTime() - now;
  return wait >= shortestDelayMs ? wait : 0;
}

function declaredOf(queues: readonly QueueDeclaration[], missing: Declared['missing']): Declared {
  return Object.assign(new Map(queues.map((queue) => [queue.name, queue])), { missing });
}
