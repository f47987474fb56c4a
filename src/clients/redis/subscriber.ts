// One connection that listens on channels: made at the first subscription, back on all of them after a reconnect.
import type { createClient } from '@redis/client';
import { BrokerUnavailable } from '../../errors.ts';
import type { RedisSettings } from './settings.ts';

type Client = ReturnType<typeof createClient>;

const timeoutMs = 10_000;

interface Channel {
  readonly listeners: Set<(message: string) => void>;
  readonly confirmed: Promise<void>;
}

export class RedisSubscriber implements AsyncDisposable {
  readonly settings: RedisSettings;
  readonly #channels = new Map<string, Channel>();
  readonly #gapListeners = new Set<() => void>();
  #client: Promise<Client> | null = null;
  #closed = false;

  constructor(settings: RedisSettings) {
    this.settings = settings;
  }

  /**
   * Resolves when the server has confirmed: what is published from then on is heard.
   * @throws BrokerUnavailable when it does not in time. Unsubscribe also then.
   */
  subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    const known = this.#channels.get(channel);
    if (known !== undefined) {
      known.listeners.add(listener);
      return known.confirmed;
    }
    const listeners = new Set([listener]);
    const deliver = (message: string): void => {
      for (const each of listeners) each(message);
    };
    this.#delivers.set(listeners, deliver);
    const confirmed = this.#subscribe(channel, deliver);
    this.#channels.set(channel, { listeners, confirmed });
    return confirmed;
  }

  /** The last listener's leaving frees the channel on the server. */
  async unsubscribe(channel: string, listener: (message: string) => void): Promise<void> {
    const known = this.#channels.get(channel);
    if (known === undefined || !known.listeners.delete(listener) || known.listeners.size > 0) return;
    this.#channels.delete(channel);
    const deliver = this.#delivers.get(known.listeners);
    const client = await this.#client;
    if (client === null || deliver === undefined || this.#closed) return;
    await known.confirmed.catch(() => {});
    await client.unsubscribe(channel, deliver);
  }

  /** Called when publications may have been missed. Returns how to stop that. */
  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => void this.#gapListeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    (await this.#client)?.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #delivers = new WeakMap<object, (message: string) => void>();

  async #subscribe(channel: string, deliver: (message: string) => void): Promise<void> {
    this.#client ??= this.#open();
    const client = await this.#client;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new BrokerUnavailable(`${this.settings.shown} cannot be reached`);
      timer = setTimeout(() => reject(error), timeoutMs);
    });
    try {
      await Promise.race([client.subscribe(channel, deliver), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #open(): Promise<Client> {
    const { createClient } = await import('@redis/client');
    const { host, port, username, password } = this.settings;
    const client = createClient({
      socket: { host, port, reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 1000) },
      ...(username !== null && { username }),
      ...(password !== null && { password }),
      commandOptions: { timeout: undefined as unknown as number }, // its types forget that undefined means none
    });
    let connected = false;
    client.on('error', () => {});
    client.on('ready', () => {
      if (connected) for (const listener of this.#gapListeners) listener();
      connected = true;
    });
    void client.connect().catch(() => {});
    return client as Client;
  }
}
