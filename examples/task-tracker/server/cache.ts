// The cache: Redis, or this process's memory. It only saves work: where it is away, everything goes on without it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheStatus } from '../shared/shapes.ts';
import { settings } from './settings.ts';
import type { User } from './users.ts';

/** Seconds. */
export const lifetimes = { list: 300, task: 300, statistics: 3600 } as const;

type Reader = Pick<User, 'id' | 'revision'>;

interface Store {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, seconds: number): Promise<unknown>;
  close(): void;
}

/**
 * Nothing is ever deleted from it: a key names the revision of its user, which every write raises in its own transaction. So no
 * write can forget to invalidate, and a slow reader cannot put back what a write has just made old. What is old expires.
 */
class Cache {
  /** Opened by the first question. */
  #opened: Promise<Store> | undefined;
  #hits = 0;
  #misses = 0;
  #away = false;

  /** What is kept of this user under this name, else what `load` gives, which is then kept. */
  async remember<T>(user: Reader, name: string, seconds: number, load: () => Promise<T>): Promise<T> {
    const key = `tracker:${user.id}:${user.revision}:${name}`;
    const found = await this.#try((store) => store.get(key));
    if (typeof found === 'string') {
      this.#hits++;
      return JSON.parse(found) as T; // we have written it ourselves
    }
    this.#misses++;
    const value = await load();
    await this.#try((store) => store.set(key, JSON.stringify(value), seconds));
    return value;
  }

  /** Asks it for something that was just put there. */
  async status(): Promise<CacheStatus> {
    await this.#try((store) => store.set('tracker:check', 'works', 10));
    const available = (await this.#try((store) => store.get('tracker:check'))) === 'works';
    const kind = settings.REDIS_URL === null ? 'memory' : 'redis';
    return { kind, available, hits: this.#hits, misses: this.#misses };
  }

  async close(): Promise<void> {
    (await this.#opened)?.close();
  }

  async #try<T>(ask: (store: Store) => Promise<T>): Promise<T | undefined> {
    try {
      this.#opened ??= settings.REDIS_URL === null ? memory() : redis(settings.REDIS_URL);
      const answer = await ask(await this.#opened);
      if (this.#away) console.log('cache: it is there again');
      this.#away = false;
      return answer;
    } catch (error) {
      if (!this.#away) console.error(`cache: ${error}; going on without it`);
      this.#away = true;
      return undefined;
    }
  }
}

export const cache: Cache = new Cache();

async function memory(): Promise<Store> {
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
    close: () => kept.clear(),
  };
}

async function redis(url: string): Promise<Store> {
  const { createClient } = await import('@redis/client');
  const client = createClient({
    url,
    ...(settings.REDIS_PASSWORD !== null && { password: settings.REDIS_PASSWORD }),
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
  await Promise.race([client.connect(), sleep(1000)]).catch(() => undefined);
  return {
    get: (key) => client.get(key),
    set: (key, value, seconds) => client.set(key, value, { expiration: { type: 'EX', value: seconds } }),
    close: () => client.destroy(),
  };
}
