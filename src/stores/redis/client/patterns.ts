// One connection that is subscribed to patterns of channels (PSUBSCRIBE); a new connection subscribes to all of them again.
import { BrokerUnavailable } from '../../../errors.ts';
import { startDeadline } from '../../../lib/deadline.ts';
import type { RedisClient } from './client.ts';
import { RedisLink } from './link.ts';
import { pinging } from './pings.ts';
import type { RedisSettings } from './settings.ts';

type PatternListener = (message: string, channel: string) => void;

interface Listening {
  readonly pattern: string;
  readonly listener: PatternListener;
  /** Called when the server has confirmed the subscription. */
  readonly confirmed: Set<() => void>;
}

const timeoutMs = 10_000;

export class RedisPatterns implements AsyncDisposable {
  readonly #settings: RedisSettings;
  readonly #listening = new Set<Listening>();
  #link: RedisLink | null = null;
  #unwatch: (() => void) | null = null;
  #reason: string | null = null;
  #closed = false;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
  }

  /** Resolves when the server has confirmed. @throws BrokerUnavailable when it does not in time */
  async subscribe(pattern: string, listener: PatternListener): Promise<AsyncDisposable> {
    if (this.#closed) throw new BrokerUnavailable(`the connection to ${this.#settings.shown} is closed`);
    const listening: Listening = { pattern, listener, confirmed: new Set() };
    this.#listening.add(listening);
    this.#link ??= new RedisLink(this.#settings, {
      onReady: (client) => this.#resume(client),
      onLost: (reason) => {
        this.#reason = reason;
        this.#watch(null);
      },
    });
    this.#link.hold();
    const { client } = this.#link;
    const confirmation = this.#confirmation(listening);
    if (client !== null) this.#listen(client, listening);
    try {
      await confirmation;
    } catch (error) {
      this.#listening.delete(listening);
      this.#link.release();
      throw error;
    }
    return { [Symbol.asyncDispose]: () => this.#leave(listening) };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch(null);
    await this.#link?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #leave(listening: Listening): Promise<void> {
    if (!this.#listening.delete(listening)) return;
    const { pattern, listener } = listening;
    await this.#link?.client?.unsubscribe('PUNSUBSCRIBE', pattern, listener).catch(() => undefined);
    this.#link?.release();
  }

  #resume(client: RedisClient): void {
    this.#watch(client);
    for (const each of this.#listening) this.#listen(client, each);
  }

  #listen(client: RedisClient, listening: Listening): void {
    const { pattern, listener, confirmed } = listening;
    client.subscribe('PSUBSCRIBE', pattern, listener).then(
      () => {
        for (const resolve of [...confirmed]) resolve();
        // It may have been disposed meanwhile.
        if (!this.#listening.has(listening))
          client.unsubscribe('PUNSUBSCRIBE', pattern, listener).catch(() => undefined);
      },
      () => undefined, // a lost connection is followed by another
    );
  }

  #confirmation({ confirmed }: Listening): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        end();
        confirmed.delete(done);
        resolve();
      };
      const end = startDeadline(timeoutMs, () => {
        confirmed.delete(done);
        const why = this.#reason === null ? '' : `: ${this.#reason}`;
        reject(new BrokerUnavailable(`${this.#settings.shown} cannot be reached${why}`));
      });
      confirmed.add(done);
    });
  }

  #watch(client: RedisClient | null): void {
    this.#unwatch?.();
    this.#unwatch = null;
    if (client === null || this.#closed) return;
    this.#unwatch = pinging(client, (reason) => this.#link?.reset(client, reason));
  }
}
