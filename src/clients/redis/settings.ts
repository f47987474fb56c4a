import { ConfigError } from '../../errors.ts';

/** Where a Redis server is and how to talk to it. */
export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** Before every key and channel (`global_keyprefix`). With a hash tag in it (`{umbel}:`) all keys are in one slot. */
  readonly keyPrefix: string;
  /** The URL without its password, for people. */
  readonly shown: string;
  /** The server's identity: equal for all databases of one server. */
  readonly store: object;
}

const stores = new Map<string, object>();

/** @throws ConfigError naming `what`, never the password */
export function redisSettings(
  url: string,
  what: string,
  driver: Readonly<Record<string, unknown>> = {},
): RedisSettings {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw new ConfigError(`${what}: not a URL like 'redis://localhost/0'`, { cause: error });
  }
  const host = parsed.hostname || 'localhost';
  const port = parsed.port === '' ? 6379 : Number(parsed.port);
  const db = Number(parsed.pathname.slice(1) || '0');
  const endpoint = `${host}:${port}`;
  const store = stores.get(endpoint) ?? {};
  stores.set(endpoint, store);
  const { keyPrefix } = driver;
  return {
    host,
    port,
    username: parsed.username === '' ? null : decodeURIComponent(parsed.username),
    password: parsed.password === '' ? null : decodeURIComponent(parsed.password),
    db,
    keyPrefix: typeof keyPrefix === 'string' ? keyPrefix : '',
    shown: `redis://${endpoint}/${db}`,
    store,
  };
}
