import { ConfigError } from '../errors.ts';

/** Where a store is: the scheme of its URL and what follows. */
export interface StoreUrl {
  readonly scheme: string;
  /** What is behind `://`, decoded: a path or a name. */
  readonly rest: string;
}

/**
 * Takes a store's URL apart: `sqlite:///var/lib/shop.db` (absolute), `sqlite://.umbel/store.db` (from the current
 * folder), `memory://shop`.
 * @throws ConfigError naming `what` (`broker`, `backend`), never the URL's password.
 */
export function parseStoreUrl(url: string, what: string): StoreUrl {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^?#]*)(.*)$/is.exec(url);
  if (match === null) {
    const shown = url.includes('@') ? 'what was given' : `'${url}'`;
    throw new ConfigError(
      `${what} must be a URL like 'sqlite://.umbel/store.db' or 'memory://', not ${shown}`,
    );
  }
  const [, scheme = '', rest = '', query = ''] = match;
  if (query !== '')
    throw new ConfigError(`${what}: '${query.split('=')[0]}' in the URL is not understood; leave it out`);
  try {
    return { scheme: scheme.toLowerCase(), rest: decodeURIComponent(rest) };
  } catch (error) {
    throw new ConfigError(
      `${what}: a '%' in the URL is not followed by two hexadecimal digits; write '%25'`,
      { cause: error },
    );
  }
}
