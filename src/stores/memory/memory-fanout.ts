// Broadcasts and revocations within the process.

import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import type { WireMessage } from '../../protocol/message.ts';
import {
  type Fanout,
  type FanoutExchange,
  type FanoutListener,
  maxRevocations,
  type RevocationStore,
  type Subscription,
} from '../fanout.ts';
import { binds } from '../topology.ts';
import type { MemoryStore } from './memory.ts';

interface Listening {
  readonly subscription: Subscription;
  readonly listener: FanoutListener;
}

export class MemoryFanout implements Fanout {
  readonly #listening: Set<Listening>;
  readonly #workers: Map<object, string>;

  constructor(store: MemoryStore) {
    this.#listening = store.part('fanout', () => new Set());
    this.#workers = store.part('workers', () => new Map());
  }

  /** A worker has started. */
  join(consumer: object, name: string): void {
    this.#workers.set(consumer, name);
  }

  leave(consumer: object): void {
    this.#workers.delete(consumer);
  }

  async publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    const listeners = [...this.#listening].filter(
      ({ subscription }) =>
        subscription.exchange.name === exchange.name &&
        subscription.keys.some((key) => binds({ exchange, routingKey: key }, routingKey)),
    );
    if (listeners.length === 0) return;
    const envelope = encodeEnvelope(message, { bodyEncoding: 'utf-8' }); // serialized, so that no object is shared
    setImmediate(() => {
      for (const each of listeners)
        if (this.#listening.has(each)) each.listener(decodeEnvelope(envelope), routingKey);
    });
  }

  async subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable> {
    const listening = { subscription, listener };
    this.#listening.add(listening);
    return { [Symbol.asyncDispose]: async () => void this.#listening.delete(listening) };
  }

  async workers(): Promise<readonly string[]> {
    return [...new Set(this.#workers.values())].sort();
  }
}

export class MemoryRevocations implements RevocationStore {
  readonly #until: Map<string, number>;
  readonly #now: () => number;

  constructor(store: MemoryStore, now: () => number) {
    this.#until = store.part('revocations', () => new Map());
    this.#now = now;
  }

  async put(revocations: readonly string[], until: number): Promise<void> {
    for (const revocation of revocations) {
      const later = Math.max(until, this.#until.get(revocation) ?? 0);
      this.#until.delete(revocation); // the map keeps the order of insertion
      this.#until.set(revocation, later);
    }
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= maxRevocations) break;
      this.#until.delete(oldest);
    }
  }

  async read(): Promise<readonly string[]> {
    for (const [revocation, until] of this.#until) if (until <= this.#now()) this.#until.delete(revocation);
    return [...this.#until.keys()];
  }
}
