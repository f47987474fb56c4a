// The channels of records that this process waits for: one connection for each server.

import type { RecordSubscriber, RecordSubscriptions } from '../watch-record.ts';
import type { RedisSettings } from './client/settings.ts';
import { RedisSubscriber } from './client/subscriber.ts';

const shared = new Map<string, Subscriptions>();

export class Subscriptions implements RecordSubscriptions {
  readonly #identity: string;
  readonly #subscriber: RedisSubscriber;
  readonly #subscribers = new Set<RecordSubscriber>();
  #users = 0;

  private constructor(settings: RedisSettings, identity: string) {
    this.#identity = identity;
    this.#subscriber = new RedisSubscriber(settings);
    this.#subscriber.onGap(() => {
      for (const subscriber of this.#subscribers) subscriber.onGap();
    });
  }

  /** The subscriptions to a server, to be released after use. All databases share a channel, since its name has no database number. */
  static of(settings: RedisSettings): Subscriptions {
    const identity = identityOf(settings);
    const subscriptions = shared.get(identity) ?? new Subscriptions(settings, identity);
    shared.set(identity, subscriptions);
    subscriptions.#users++;
    return subscriptions;
  }

  /**
   * Resolves when the server has confirmed: messages published from then on are received.
   * @throws BrokerUnavailable when it does not in time
   */
  add(channel: string, subscriber: RecordSubscriber): Promise<void> {
    this.#subscribers.add(subscriber);
    return this.#subscriber.subscribe(channel, subscriber.onMessage);
  }

  /** Also for a subscriber whose `add` is under way, or has failed. */
  remove(channel: string, subscriber: RecordSubscriber): void {
    this.#subscribers.delete(subscriber);
    // A server that does not answer has dropped the connection, and the channel with it.
    this.#subscriber.unsubscribe(channel, subscriber.onMessage).catch(() => {});
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    shared.delete(this.#identity);
    await this.#subscriber.close();
  }
}

/** Equal for settings that may share a connection: the same server, with the same credentials and options. */
function identityOf(settings: RedisSettings): string {
  return JSON.stringify({ ...settings, db: 0, keyPrefix: '', shown: '', store: storeNumber(settings.store) });
}

const numbers = new WeakMap<object, number>();
let count = 0;

function storeNumber(store: object): number {
  const number = numbers.get(store) ?? ++count;
  numbers.set(store, number);
  return number;
}
