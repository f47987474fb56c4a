// Broadcast queues: each worker that serves such a queue gets every message. No store keeps the messages, so there is nothing to
// acknowledge, and a message that cannot run yet waits in the worker.
import { randomUUID } from 'node:crypto';
import type { App } from '../app/app.ts';
import type { Clock } from '../lib/clock.ts';
import { atMost } from '../lib/deadline.ts';
import type { Logger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import type { Service } from '../lib/service.ts';
import { encodeEnvelope } from '../protocol/envelope.ts';
import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { Broadcast, Delivery, Settlement, Transport } from '../stores/transport.ts';
import type { Processor } from './process.ts';
import { storeBackoff } from './retrier.ts';
import type { Slots } from './slots.ts';

interface BroadcastsParts {
  readonly transport: Transport;
  /** By queue name. */
  readonly broadcasts: ReadonlyMap<string, Broadcast>;
  readonly slots: Slots;
  readonly processor: Pick<Processor, 'process'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How many messages may wait here; further ones are dropped, and the log says how many. */
const maxWaiting = 10_000;
/** How long RabbitMQ keeps messages while our connection is away, milliseconds. */
const awayMs = 60_000;
/** How long a stop waits for a broker that does not answer, milliseconds. */
const leaveMs = 1000;

export class Broadcasts implements Service {
  readonly #parts: BroadcastsParts;
  readonly #stopping = new AbortController();
  readonly #listening: AsyncDisposable[] = [];
  readonly #waiting: Delivery[] = [];
  #starting: Promise<void> | null = null;
  #pumping: Promise<void> | null = null;
  #refused = 0;

  constructor(parts: BroadcastsParts) {
    this.#parts = parts;
  }

  /** Resolves when it is subscribed; retries while the broker does not answer. */
  start(): Promise<void> {
    this.#starting ??= this.#listen();
    return this.#starting;
  }

  /** Unsubscribes. Messages that wait here are dropped. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#parts.slots.nudge();
    await this.#starting;
    await this.#pumping;
    const leaving = Promise.all(this.#listening.splice(0).map((part) => part[Symbol.asyncDispose]()));
    await atMost(
      leaveMs,
      leaving.catch(() => undefined),
      this.#parts.clock,
    );
    const left = this.#waiting.splice(0).length;
    if (left > 0)
      this.#parts.logger.warn(
        { count: left },
        `${left} broadcast messages were not run before the worker stopped`,
      );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(): Promise<void> {
    const { transport, broadcasts, clock, logger } = this.#parts;
    const { signal } = this.#stopping;
    for (const [queue, { exchange, routingKey }] of broadcasts) {
      const own = `bcast.${randomUUID()}`;
      const subscription = { exchange, keys: [routingKey], queue: own, ttlMs: awayMs, expiresMs: awayMs };
      const subscribe = (): Promise<AsyncDisposable> =>
        transport.fanout.subscribe(subscription, (message) => this.#onMessage(queue, message));
      const listening = await retrying(subscribe, {
        policy: storeBackoff,
        clock,
        signal,
        log: (error) =>
          logger.error(
            { err: error, queue },
            `cannot subscribe to the broadcasts of '${queue}': ${String(error)}; retrying`,
          ),
      });
      if (listening !== null) this.#listening.push(listening);
    }
  }

  #onMessage(queue: string, message: Decoded<WireMessage>): void {
    if (this.#waiting.length < maxWaiting) this.#queueUp(this.#delivery(queue, message));
    // One line for many messages.
    else if (this.#refused++ % 1000 === 0)
      this.#parts.logger.error(
        { queue, count: this.#refused },
        `${maxWaiting} broadcast messages wait for a free slot: ${this.#refused} more were dropped`,
      );
  }

  #queueUp(delivery: Delivery): void {
    this.#waiting.push(delivery);
    this.#keepPumping();
  }

  #keepPumping(): void {
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = null;
      // A message that came just when the last one was taken.
      if (this.#waiting.length > 0 && !this.#stopping.signal.aborted) this.#keepPumping();
    });
  }

  async #pump(): Promise<void> {
    const { slots, processor } = this.#parts;
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      if (slots.free <= 0) {
        await slots.whenFree();
        continue;
      }
      const delivery = this.#waiting.shift();
      if (delivery === undefined) return;
      slots.take();
      void processor.process(delivery);
    }
  }

  #delivery(queue: string, message: Decoded<WireMessage>, deferrals = 0): Delivery {
    const { transport, clock, logger } = this.#parts;
    return {
      queue,
      raw: Buffer.from(message.ok ? encodeEnvelope(message.value) : ''),
      message,
      isBroadcast: true,
      redelivered: false,
      crashes: 0,
      deferrals,
      lost: never,
      isLost: false,
      settle: async (settlement: Settlement) => {
        if (settlement.kind === 'ack' && settlement.publish !== undefined && settlement.publish.length > 0)
          await transport.publish(settlement.publish);
        if (settlement.kind === 'dead')
          logger.error(
            { queue, reason: settlement.reason },
            `a broadcast message is dropped: ${settlement.detail}`,
          );
        if (settlement.kind === 'release') {
          const again = this.#delivery(queue, message, deferrals + (settlement.deferred === true ? 1 : 0));
          const delayMs = Math.max(0, (settlement.until?.getTime() ?? 0) - clock.now());
          clock.sleep(delayMs, this.#stopping.signal).then(
            () => this.#queueUp(again),
            () => undefined,
          );
        }
        return 'settled';
      },
    };
  }
}

/** Divides a worker's queues into broadcasts and queues that a store keeps. */
export function partedQueues(
  { topology }: App,
  queues: readonly string[],
): { readonly queues: readonly string[]; readonly broadcasts: ReadonlyMap<string, Broadcast> } {
  const broadcasts = new Map<string, Broadcast>();
  for (const name of queues) {
    const broadcast = topology.broadcast(name);
    if (broadcast !== undefined) broadcasts.set(name, broadcast);
  }
  return { queues: queues.filter((name) => !broadcasts.has(name)), broadcasts };
}

const never = new AbortController().signal;
