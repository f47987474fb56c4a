// Listens to the heartbeats of the other workers (Celery's gossip). This keeps the logical clocks of all workers together: each event is later
// than the events that its sender had received.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { LamportClock } from '../lib/lamport.ts';
import type { Logger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';
import { readEvents } from '../protocol/event.ts';
import type { Decoded, WireMessage } from '../protocol/message.ts';
import type { Fanout, FanoutExchange } from '../stores/fanout.ts';
import { subscribeWithRetry } from './subscribe-with-retry.ts';

interface GossipParts {
  readonly fanout: Fanout;
  /** The exchange of events. */
  readonly exchange: FanoutExchange;
  /** The prefix of the names of queues for events. */
  readonly queuePrefix: string;
  /** Node name. */
  readonly name: string;
  readonly lamport: LamportClock;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Gossip implements Service {
  readonly #parts: GossipParts;
  readonly #stopping = new AbortController();
  #listening: Promise<AsyncDisposable | null> | null = null;

  constructor(parts: GossipParts) {
    this.#parts = parts;
  }

  /** Does not wait for the subscription: nothing depends on it. */
  async start(): Promise<void> {
    const { fanout, exchange, queuePrefix, clock, logger } = this.#parts;
    const queue = `${queuePrefix}.${randomUUID()}`;
    const subscription = { exchange, keys: ['worker.#'], queue, ttlMs: 2_000, expiresMs: 60_000 };
    this.#listening ??= subscribeWithRetry(fanout, subscription, (message) => this.#onMessage(message), {
      clock,
      signal: this.#stopping.signal,
      onRefused: (error) =>
        logger.debug({ err: error }, `cannot subscribe to the events of other workers yet: ${String(error)}`),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const listening = await this.#listening;
    await listening?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #onMessage(message: Decoded<WireMessage>): void {
    const { lamport, name } = this.#parts;
    const events = readEvents(message);
    if (!events.ok) return;
    for (const { hostname, clock } of events.value) if (hostname !== name) lamport.adjust(clock);
  }
}
