// The waits of this process for records. All backends share one listening connection for each database and schema.

import type { Follower, RecordSubscriptions } from '../watch-record.ts';
import { PostgresListener } from './client/listener.ts';
import type { PostgresSettings } from './client/settings.ts';

const shared = new Map<string, Followers>();

/** The channel of notifications with the keys of written records. */
export function channelOf({ schema }: PostgresSettings): string {
  return `${schema}.result`;
}

export class Followers implements RecordSubscriptions {
  readonly #identity: string;
  readonly #listener: PostgresListener;
  readonly #followers = new Map<string, Set<Follower>>();
  #users = 0;

  private constructor(settings: PostgresSettings, identity: string) {
    this.#identity = identity;
    this.#listener = new PostgresListener(settings, channelOf(settings), {
      onNotify: (keys) => {
        for (const key of keys.split(' ')) {
          // The record has changed. It must be read, since it may be too large for a notification.
          for (const follower of this.#followers.get(key) ?? []) follower.onGap();
        }
      },
      onGap: () => {
        for (const followers of this.#followers.values()) for (const each of followers) each.onGap();
      },
    });
  }

  /** The followers of a database, to be released after use. */
  static of(settings: PostgresSettings): Followers {
    const identity = JSON.stringify(settings);
    const followers = shared.get(identity) ?? new Followers(settings, identity);
    shared.set(identity, followers);
    followers.#users++;
    return followers;
  }

  /**
   * Resolves when the server has confirmed the subscription. Every later write notifies the follower.
   * @throws BrokerUnavailable when the server does not confirm in time.
   */
  add(key: string, follower: Follower): Promise<void> {
    const followers = this.#followers.get(key) ?? new Set();
    this.#followers.set(key, followers.add(follower));
    return this.#listener.listen();
  }

  remove(key: string, follower: Follower): void {
    const followers = this.#followers.get(key);
    if (followers?.delete(follower) !== true) return;
    if (followers.size === 0) this.#followers.delete(key);
    this.#listener.ignore();
  }

  async release(): Promise<void> {
    if (--this.#users > 0) return;
    shared.delete(this.#identity);
    await this.#listener.close();
  }
}
