// The settings of a Redis server, from a URL and a driver's options.

import { readFileSync } from 'node:fs';
import { ConfigError } from '../../../errors.ts';
import { type Duration, toMs } from '../../../lib/duration.ts';
import { requireKnownOptions } from '../../known-options.ts';

/** The address of one server. */
export type RedisEndpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Node's options for TLS; plain data, so that a thread can be given it. */
interface RedisTls {
  readonly rejectUnauthorized: boolean;
  readonly checkHostname: boolean;
  readonly servername?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The address of a Redis server, and how to talk to it. */
export interface RedisSettings {
  /** The servers in the order in which they are tried; with `sentinel`, the sentinels. */
  readonly endpoints: readonly RedisEndpoint[];
  /** Ask the sentinels for the master of this name. */
  readonly sentinel: {
    readonly masterName: string;
    readonly username: string | null;
    readonly password: string | null;
  } | null;
  readonly tls: RedisTls | null;
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** The prefix of every key and channel (`global_keyprefix`). With a hash tag in it (`{umbel}:`) all keys are in one slot. */
  readonly keyPrefix: string;
  /** kombu's `priority_steps`: all programs that share the queues must have the same. */
  readonly prioritySteps: readonly number[];
  readonly connectTimeoutMs: number;
  /** The URL without its password, for people. */
  readonly shown: string;
  /** The server's identity: equal for all databases of one server. */
  readonly store: object;
}

const stores = new Map<string, object>();

/** Our options, and those of Celery's that have a meaning here. */
const known = [
  'keyPrefix',
  'globalKeyprefix',
  'prioritySteps',
  'ssl',
  'masterName',
  'sentinelKwargs',
  'socketConnectTimeout',
];

/** Options of Celery's that have no meaning here: leases are renewed, connections are watched, and one connection is enough. */
const needless = [
  'visibilityTimeout',
  'unackedRestoreLimit',
  'socketTimeout',
  'socketKeepalive',
  'socketKeepaliveOptions',
  'retryOnTimeout',
  'retryPolicy',
  'maxConnections',
  'healthCheckInterval',
  'clientName',
  'failoverStrategy',
  'fanoutPrefix',
  'fanoutPatterns',
  'queueOrderStrategy',
  'resultChordOrdered',
  'minOtherSentinels',
];

/**
 * `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS), `unix:///path?db=n`, `redis+socket:///path?virtual_host=n`,
 * `sentinel://host:port/db`; several, for failover, joined by `;`.
 * @throws ConfigError naming `what`, never a password
 */
export function redisSettings(
  url: string,
  what: string,
  driver: Readonly<Record<string, unknown>> = {},
): RedisSettings {
  requireKnownOptions(driver, [...known, ...needless], 'Redis', what);
  const urls = url
    .split(';')
    .filter((each) => each.trim() !== '')
    .map((each) => parseUrl(each.trim(), what));
  const [first] = urls;
  if (first === undefined) throw new ConfigError(`${what}: not a URL like 'redis://localhost/0'`);
  for (const each of urls) {
    if (each.scheme !== first.scheme || each.db !== first.db)
      throw new ConfigError(`${what}: several URLs must have one scheme and one database`);
  }
  const isSentinel = first.scheme === 'sentinel';
  const masterName = driver.masterName;
  if (isSentinel && (typeof masterName !== 'string' || masterName === ''))
    throw new ConfigError(
      `${what}: 'sentinel://' needs the master's name: brokerTransportOptions: { masterName: 'mymaster' }`,
    );
  const own = recordOf(driver.sentinelKwargs, `${what}: sentinelKwargs`);
  const endpoints = urls.map((each) => each.endpoint);
  const address = endpoints.map(shownEndpoint).join(',');
  // The server is the same whatever the password, the database and the options are.
  const identity = isSentinel ? `${String(masterName)}@${address}` : address;
  const store = stores.get(identity) ?? {};
  stores.set(identity, store);
  return {
    endpoints,
    sentinel: isSentinel
      ? { masterName: String(masterName), username: textOf(own.username), password: textOf(own.password) }
      : null,
    tls: tlsOf(first, driver.ssl, what),
    username: first.username,
    password: first.password,
    db: first.db,
    keyPrefix: String(driver.keyPrefix ?? driver.globalKeyprefix ?? ''),
    prioritySteps: stepsOf(driver.prioritySteps, what),
    connectTimeoutMs: toMs(
      (driver.socketConnectTimeout as Duration | undefined) ?? 5,
      `${what}: socketConnectTimeout`,
    ), // checked there
    shown: `${first.scheme}://${address}${'path' in (endpoints[0] ?? {}) ? '' : `/${first.db}`}`,
    store,
  };
}

interface ParsedUrl {
  readonly scheme: string;
  readonly endpoint: RedisEndpoint;
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  readonly query: URLSearchParams;
}

const defaultPorts: Readonly<Record<string, number>> = { redis: 6379, rediss: 6379, sentinel: 26379 };

function parseUrl(url: string, what: string): ParsedUrl {
  const scheme = /^([a-z+]+):\/\//i.exec(url)?.[1]?.toLowerCase() ?? '';
  let parsed: URL;
  let username: string | null;
  let password: string | null;
  try {
    // The host of an unknown scheme may have any characters; that of http is checked.
    const isFile = scheme === 'unix' || scheme === 'redis+socket';
    parsed = new URL(
      isFile
        ? url.replace(/^[a-z+]+:\/\/((?:[^/@?]*@)?)/i, 'http://$1localhost')
        : url
            .replace(/^[a-z+]+:\/\/((?:[^/@?]*@)?)(?=(?::\d+)?(?:[/?]|$))/i, '$&localhost')
            .replace(/^[a-z+]+:/i, 'http:'),
    );
    username = parsed.username === '' ? null : decodeURIComponent(parsed.username);
    password = parsed.password === '' ? null : decodeURIComponent(parsed.password);
  } catch {
    throw new ConfigError(
      `${what}: not a URL like 'redis://localhost:6379/0' (is a '%', '#' or '@' in it not encoded?)`,
    );
  }
  if (parsed.hash !== '')
    throw new ConfigError(`${what}: a '#' in the URL must be written %23 (in a password, say)`);
  const query = parsed.searchParams;
  const unknown = [...query.keys()].find(
    (name) =>
      !/^ssl_(?:cert_reqs|ca_certs|certfile|keyfile|check_hostname)$/.test(name) &&
      !['db', 'virtual_host'].includes(name),
  );
  if (unknown !== undefined)
    throw new ConfigError(`${what}: '?${unknown}' in the URL is not understood; leave it out`);
  if (scheme === 'unix' || scheme === 'redis+socket') {
    const path = decodeURIComponent(parsed.pathname);
    if (path === '/' || path === '')
      throw new ConfigError(`${what}: '${scheme}://' needs the path of a socket`);
    const db = dbOf(query.get('db') ?? query.get('virtual_host') ?? '0', what);
    return { scheme, endpoint: { path }, username, password, db, query };
  }
  const port =
    parsed.port === ''
      ? /:80(?:[/?]|$)/.test(url)
        ? 80
        : (defaultPorts[scheme] ?? 6379)
      : Number(parsed.port);
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost';
  const db = dbOf(query.get('db') ?? (parsed.pathname.slice(1) || '0'), what);
  return { scheme, endpoint: { host, port }, username, password, db, query };
}

function dbOf(text: string, what: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ConfigError(
    `${what}: the database of Redis is a number, as in 'redis://localhost/0', not '${text}'`,
  );
}

/** By default a server that cannot prove its identity is refused. */
function tlsOf({ scheme, query }: ParsedUrl, ssl: unknown, what: string): RedisTls | null {
  if (ssl === false || ssl === null || (ssl === undefined && scheme !== 'rediss')) return null;
  const given = ssl === true || ssl === undefined ? {} : recordOf(ssl, `${what}: ssl`);
  const option = (name: string, inQuery: string): string | null => query.get(inQuery) ?? textOf(given[name]);
  const requirement = option('certReqs', 'ssl_cert_reqs')?.toLowerCase().replace('cert_', '') ?? 'required';
  if (!['required', 'optional', 'none'].includes(requirement))
    throw new ConfigError(`${what}: ssl_cert_reqs is 'required' or 'none', not '${requirement}'`);
  const file = (path: string | null): string | undefined => {
    if (path === null) return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new ConfigError(`${what}: cannot read the certificate file '${path}'`, { cause: error });
    }
  };
  const ca = textOf(given.ca) ?? file(option('caCerts', 'ssl_ca_certs'));
  const cert = textOf(given.cert) ?? file(option('certfile', 'ssl_certfile'));
  const key = textOf(given.key) ?? file(option('keyfile', 'ssl_keyfile'));
  const servername = textOf(given.servername);
  const check = query.get('ssl_check_hostname') ?? String(given.checkHostname ?? true);
  return {
    rejectUnauthorized: given.rejectUnauthorized !== false && requirement !== 'none',
    checkHostname: !/^(?:false|0|no)$/i.test(check),
    ...(servername !== null && { servername }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

function stepsOf(steps: unknown, what: string): readonly number[] {
  if (steps === undefined) return [0, 3, 6, 9];
  const list: readonly unknown[] = Array.isArray(steps) ? steps : [];
  const numbers = list.filter((each): each is number => Number.isInteger(each) && Number(each) >= 0);
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.length !== list.length || sorted[0] !== 0)
    throw new ConfigError(
      `${what}: prioritySteps is a list of different whole numbers that begins with 0, as [0, 3, 6, 9]`,
    );
  return sorted;
}

function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
  throw new ConfigError(`${what} must be a map of options`);
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : String(value);
}

export function shownEndpoint(endpoint: RedisEndpoint): string {
  if ('path' in endpoint) return endpoint.path;
  const { host, port } = endpoint;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
