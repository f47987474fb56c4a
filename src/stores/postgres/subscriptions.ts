// The waits of this process for records. All backends share one listening connection for each database and schema.

import type { RecordSubscriber, RecordSubscriptions } from '../watch-record.ts';
import { PostgresListener } from './client/listener.ts';
import type { PostgresSettings } from './client/settings.ts';

const shared = new Map<string, PostgresSubscriptions>();

/** The channel of notifications with the keys of written records. */
export function channelOf({ schema }: PostgresSettings): string {
  return `${schema}.result`;
}

export class PostgresSubscriptions implements RecordSubscriptions {
  readonly #identity: string;
  readonly #listener: PostgresListener;
  readonly #subscribers = new Map<string, Set<RecordSubscriber>>();
  #users = 0;

  private constructor(settings: PostgresSettings, identity: string) {
    this.#identity = identity;
    this.#listener = new PostgresListener(settings, channelOf(settings), {
      onNotify: (keys) => {
        for (const key of keys.split(' ')) {
          // The record has changed. It must be read, since it may be too large for a notification.
          for (const subscriber of this.#subscribers.get(key) ?? []) subscriber.onGap();
        }
      },
      onGap: () => {
        for (const subscribers of this.#subscribers.values()) for (const each of subscribers) each.onGap();
      },
    });
  }

  /** The subscriptions of a database, to be released after use. */
  static of(settings: PostgresSettings): PostgresSubscriptions {
    const identity = JSON.stringify(settings);
    const subscriptions = shared.get(identity) ?? new PostgresSubscriptions(settings, identity);
    shared.set(identity, subscriptions);
    subscriptions.#users++;
    return subscriptions;
  }

  /**
   * Resolves when the server has confirmed the subscription. Every later write notifies the subscriber.
   * @throws BrokerUnavailable when the server does not confirm in time.
   */
  add(key: string, subscriber: RecordSubscriber): Promise<void> {
    const subscribers = this.#subscribers.get(key) ?? new Set();
    this.#subscribers.set(key, subscribers.add(subscriber));
    return this.#listener.listen();
  }

  remove(key: string, subscriber: RecordSubscriber): void {
    const subscribers = this.#subscribers.get(key);
    if (subscribers?.delete(subscriber) !== true) return;
    if (subscribers.size === 0) this.#subscribers.delete(key);
    this.#listener.ignore();
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    shared.delete(this.#identity);
    await this.#listener.close();
  }
}
