// The channels of records that somebody in this process waits for: one connection for each server, whoever asks.

import type { Follower, RecordSubscriptions } from '../watch-record.ts';
import type { RedisSettings } from './client/settings.ts';
import { RedisSubscriber } from './client/subscriber.ts';

const shared = new Map<string, Subscriptions>();

export class Subscriptions implements RecordSubscriptions {
  readonly #identity: string;
  readonly #subscriber: RedisSubscriber;
  readonly #followers = new Set<Follower>();
  #users = 0;

  private constructor(settings: RedisSettings, identity: string) {
    this.#identity = identity;
    this.#subscriber = new RedisSubscriber(settings);
    this.#subscriber.onGap(() => {
      for (const follower of this.#followers) follower.onGap();
    });
  }

  /** Those of the server, to be released after use. A channel's name has no database number: all databases share them. */
  static of(settings: RedisSettings): Subscriptions {
    const identity = identityOf(settings);
    const subscriptions = shared.get(identity) ?? new Subscriptions(settings, identity);
    shared.set(identity, subscriptions);
    subscriptions.#users++;
    return subscriptions;
  }

  /**
   * Resolves when the server has confirmed: what is published from then on is heard.
   * @throws BrokerUnavailable when it does not in time.
   */
  add(channel: string, follower: Follower): Promise<void> {
    this.#followers.add(follower);
    return this.#subscriber.subscribe(channel, follower.onMessage);
  }

  /** Also of one whose `add` is under way, or has failed. */
  remove(channel: string, follower: Follower): void {
    this.#followers.delete(follower);
    // The server that cannot be asked has dropped the connection, and with it the channel.
    this.#subscriber.unsubscribe(channel, follower.onMessage).catch(() => {});
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    shared.delete(this.#identity);
    await this.#subscriber.close();
  }
}

/** Equal for what may share a connection: the same server, reached and entered in the same way. */
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
