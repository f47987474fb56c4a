// One connection that is subscribed to channels: made at the first subscription; a new connection subscribes to all of them again.
import { BrokerUnavailable } from '../../../errors.ts';
import { startDeadline } from '../../../lib/deadline.ts';
import type { RedisClient } from './client.ts';
import { refusal } from './errors.ts';
import { RedisLink } from './link.ts';
import { pinging } from './pings.ts';
import { ErrorReply } from './resp.ts';
import type { RedisSettings } from './settings.ts';

type Listener = (message: string) => void;

const timeoutMs = 10_000;

interface Channel {
  readonly name: string;
  readonly listeners: Set<Listener>;
  readonly deliver: Listener;
  /** The server has confirmed, on the current connection. */
  confirmed: boolean;
  /** Called when the server confirms, or with the reason why it does not. */
  readonly waiting: Set<(error?: Error) => void>;
}

export class RedisSubscriber implements AsyncDisposable {
  readonly settings: RedisSettings;
  /** The wanted channels; the connection follows. */
  readonly #channels = new Map<string, Channel>();
  readonly #gapListeners = new Set<() => void>();
  #link: RedisLink | null = null;
  #unwatch: (() => void) | null = null;
  #connectedBefore = false;
  #reason: string | null = null;
  #closed = false;

  constructor(settings: RedisSettings) {
    this.settings = settings;
  }

  /**
   * Resolves when the server has confirmed: messages published from then on are received.
   * @throws BrokerUnavailable when it does not in time. Unsubscribe also then.
   */
  subscribe(name: string, listener: Listener): Promise<void> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      const listeners = new Set<Listener>();
      const deliver: Listener = (message) => {
        for (const each of [...listeners]) each(message);
      };
      channel = { name, listeners, deliver, confirmed: false, waiting: new Set() };
      this.#channels.set(name, channel);
      this.#link ??= new RedisLink(this.settings, {
        onReady: (client) => void this.#resume(client),
        onLost: (reason) => {
          this.#reason = reason;
          this.#watch(null);
          for (const each of this.#channels.values()) each.confirmed = false;
        },
      });
      this.#link.hold(); // until the channel has no listener
      const { client } = this.#link;
      if (client !== null) void this.#listen(client, channel);
    }
    channel.listeners.add(listener);
    return channel.confirmed ? Promise.resolve() : this.#confirmation(channel);
  }

  /** When the last listener leaves, the channel is unsubscribed at the server. */
  async unsubscribe(name: string, listener: Listener): Promise<void> {
    const channel = this.#channels.get(name);
    if (channel === undefined || !channel.listeners.delete(listener) || channel.listeners.size > 0) return;
    this.#channels.delete(name);
    for (const each of [...channel.waiting]) each();
    // A channel that is not confirmed yet is unsubscribed when it is, see #listen.
    if (channel.confirmed)
      await this.#link?.client?.unsubscribe('UNSUBSCRIBE', name, channel.deliver).catch(() => undefined);
    this.#link?.release();
  }

  /** Calls the listener when publications may have been missed, until the returned function is called. */
  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => void this.#gapListeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch(null);
    const closed = new BrokerUnavailable(`the connection to ${this.settings.shown} is closed`);
    for (const { waiting } of this.#channels.values()) for (const each of [...waiting]) each(closed);
    await this.#link?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Subscribes to all channels again, and then calls the listeners to gaps. */
  async #resume(client: RedisClient): Promise<void> {
    const again = this.#connectedBefore;
    this.#connectedBefore = true;
    this.#watch(client);
    await Promise.all([...this.#channels.values()].map((channel) => this.#listen(client, channel)));
    if (again) for (const listener of [...this.#gapListeners]) listener();
  }

  #watch(client: RedisClient | null): void {
    this.#unwatch?.();
    this.#unwatch = null;
    if (client === null || this.#closed) return;
    const lost = (reason: Error): void => this.#link?.reset(client, reason);
    this.#unwatch = pinging(client, lost, () => this.#channels.size > 0);
  }

  async #listen(client: RedisClient, channel: Channel): Promise<void> {
    try {
      await client.subscribe('SUBSCRIBE', channel.name, channel.deliver);
    } catch (error) {
      // A refusal is final; any other error is a lost connection, and the next one subscribes.
      if (error instanceof ErrorReply)
        for (const each of [...channel.waiting]) each(refusal(this.settings.shown, 'SUBSCRIBE', error));
      return;
    }
    if (this.#channels.get(channel.name) === channel) {
      channel.confirmed = true;
      for (const each of [...channel.waiting]) each();
    } else await client.unsubscribe('UNSUBSCRIBE', channel.name, channel.deliver).catch(() => undefined);
  }

  #confirmation(channel: Channel): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        channel.waiting.delete(done);
        end();
        if (error === undefined) resolve();
        else reject(error);
      };
      const end = startDeadline(timeoutMs, () => {
        const why = this.#reason === null ? '' : `: ${this.#reason}`;
        done(new BrokerUnavailable(`${this.settings.shown} cannot be reached${why}`));
      });
      channel.waiting.add(done);
    });
  }
}
