// The cache: Redis, or this process's memory. It only saves work: where it is away, everything goes on without it.
import { settings } from './settings.ts';
import type { CacheStatus } from './shapes.ts';

/** Seconds. */
export const lifetimes = { list: 300, task: 300, statistics: 3600 } as const;

interface Store {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, seconds: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Nothing is ever deleted from it: a key names the revision of its user, which every write raises in its own transaction. So no
 * write can forget to invalidate, and a slow reader cannot put back what a write has just made old. What is old expires.
 */
export class Cache {
  readonly #kind: CacheStatus['kind'];
  readonly #store: Store;
  #hits = 0;
  #misses = 0;
  #away = false;

  private constructor(kind: CacheStatus['kind'], store: Store) {
    this.#kind = kind;
    this.#store = store;
  }

  static async open(): Promise<Cache> {
    return settings.redisUrl === null
      ? new Cache('memory', memory())
      : new Cache('redis', await redis(settings.redisUrl, settings.redisPassword));
  }

  /** What is kept of this user under this name, else what `load` gives, which is then kept. */
  async remember<T>(
    user: { readonly id: number; readonly revision: number },
    name: string,
    seconds: number,
    load: () => Promise<T>,
  ): Promise<T> {
    const key = `tracker:${user.id}:${user.revision}:${name}`;
    const found = await this.#try(() => this.#store.get(key));
    if (typeof found === 'string') {
      this.#hits++;
      return JSON.parse(found) as T; // we have written it ourselves
    }
    this.#misses++;
    const value = await load();
    await this.#try(() => this.#store.set(key, JSON.stringify(value), seconds));
    return value;
  }

  /** Asks it for something that was just put there. */
  async status(): Promise<CacheStatus> {
    await this.#try(() => this.#store.set('tracker:check', 'works', 10));
    const check = await this.#try(() => this.#store.get('tracker:check'));
    return { kind: this.#kind, available: check === 'works', hits: this.#hits, misses: this.#misses };
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #try<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      if (this.#away) console.log('cache: it is there again');
      this.#away = false;
      return answer;
    } catch (error) {
      if (!this.#away)
        console.error(`cache: ${error instanceof Error ? error.message : error}; going on without it`);
      this.#away = true;
      return undefined;
    }
  }
}

function memory(): Store {
  const kept = new Map<string, { readonly value: string; readonly until: number }>();
  return {
    async get(key) {
      const found = kept.get(key);
      return found !== undefined && found.until > Date.now() ? found.value : null;
    },
    async set(key, value, seconds) {
      kept.delete(key); // to the end: the oldest stands first
      kept.set(key, { value, until: Date.now() + 1000 * seconds });
      for (const oldest of kept.keys()) if (kept.size > 1000) kept.delete(oldest);
    },
    async close() {
      kept.clear();
    },
  };
}

async function redis(url: string, password: string | null): Promise<Store> {
  const { createClient } = await import('@redis/client');
  const login = password === null ? {} : { password };
  const client = createClient({
    url,
    ...login,
    disableOfflineQueue: true,
    // A Redis that is connected and does not answer is away, too.
    pingInterval: 500,
    socket: {
      connectTimeout: 1000,
      socketTimeout: 1500,
      reconnectStrategy: (tries) => Math.min(100 * tries, 2000),
    },
  });
  client.on('error', () => undefined); // told by whoever asks; it connects again by itself
  await Promise.race([client.connect(), new Promise((resolve) => setTimeout(resolve, 1000))]).catch(
    () => undefined,
  );
  return {
    get: (key) => client.get(key),
    set: async (key, value, seconds) =>
      void (await client.set(key, value, { expiration: { type: 'EX', value: seconds } })),
    close: async () => client.destroy(),
  };
}
