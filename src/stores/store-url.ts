import { ConfigError } from '../errors.ts';

/**
 * The scheme of a store's URL, in lower case.
 * @throws ConfigError naming `what` (`broker`, `backend`), never the URL's password
 */
export function schemeOf(url: string, what: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1];
  if (scheme !== undefined) return scheme.toLowerCase();
  const shown = url.includes('@') ? 'what was given' : `'${url}'`;
  const examples =
    what === 'historyStore'
      ? "'sqlite://.umbel/history.db' or 'postgresql://localhost/umbel'"
      : "'sqlite://.umbel/store.db', 'redis://localhost/0' or 'memory://'";
  throw new ConfigError(`${what} must be a URL like ${examples}, not ${shown}`);
}

/**
 * The part after `://` in the URL of a store on this machine, decoded: a path or a name. `sqlite:///var/lib/shop.db`
 * (absolute), `sqlite:///C:/shop.db` (on a drive of Windows, as SQLAlchemy writes it), `sqlite://.umbel/store.db` (from the current folder),
 * `memory://shop`.
 * @throws ConfigError naming `what`
 */
export function storeAt(
  url: string,
  what: string,
  { platform }: { readonly platform: NodeJS.Platform } = process,
): string {
  const scheme = schemeOf(url, what);
  const [, rest = '', query = ''] = /^([^?#]*)(.*)$/s.exec(url.slice(scheme.length + 3)) ?? [];
  if (query !== '')
    throw new ConfigError(`${what}: '${query.split('=')[0]}' in the URL is not understood; leave it out`);
  if (scheme === 'sqlite' && rest === '')
    throw new ConfigError(`${what}: 'sqlite://' needs a path, as in 'sqlite://.umbel/store.db'`);
  try {
    const path = decodeURIComponent(rest);
    return platform === 'win32' ? path.replace(/^\/(?=[a-z]:[\\/])/i, '') : path;
  } catch (error) {
    throw new ConfigError(
      `${what}: a '%' in the URL is not followed by two hexadecimal digits; write '%25'`,
      { cause: error },
    );
  }
}
