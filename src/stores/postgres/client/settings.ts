// Reads the settings of a PostgreSQL server from its URL and the driver's options.

import { readFileSync } from 'node:fs';
import { ConfigError } from '../../../errors.ts';
import { toMs } from '../../../lib/duration.ts';
import { suggest } from '../../../lib/suggest.ts';
import { requireKnownOptions } from '../../known-options.ts';

/** TLS. A server without a valid certificate is refused, unless `rejectUnauthorized` is false. */
interface PostgresTls {
  readonly rejectUnauthorized: boolean;
  /** false: the name in the certificate is not checked (`sslmode=verify-ca`). */
  readonly checkHostname: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The address of a PostgreSQL server, and the options of connections. The driver fills in null: `PGUSER`, `PGPASSWORD`, `.pgpass`. */
export interface PostgresSettings {
  /** A host name, an IP address, or the folder of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly tls: PostgresTls | null;
  /** The schema of our tables: a name that needs no quotes. */
  readonly schema: string;
  /** Largest number of connections, besides the listening one. */
  readonly poolSize: number;
  readonly connectTimeoutMs: number;
  readonly applicationName: string;
  /** The URL without its password, for messages. */
  readonly shown: string;
}

const known = ['schema', 'poolSize', 'ssl', 'connectTimeout', 'socketConnectTimeout', 'applicationName'];
/** Options that every backend gets, and that have no effect here: each query has its own deadline. */
const needless = ['socketTimeout'];
const inQuery = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'host',
  'port',
  'connect_timeout',
  'schema',
  'application_name',
];

/**
 * `postgresql://[user:password@]host[:port]/database`, also as `postgres://` and `db+postgresql://`, with libpq's `sslmode`,
 * `sslrootcert`, `sslcert`, `sslkey`, `host` (the folder of a unix socket), `connect_timeout` and `application_name`, and with `schema`, the schema of
 * our tables.
 * @throws ConfigError that names `what`, and never shows a password
 */
export function postgresSettings(
  url: string,
  what: string,
  driver: Readonly<Record<string, unknown>> = {},
): PostgresSettings {
  requireKnownOptions(driver, [...known, ...needless], 'PostgreSQL', what);
  const { parsed, user, password, database } = partsOf(url, what);
  const query = parsed.searchParams;
  for (const name of query.keys()) {
    if (inQuery.includes(name)) continue;
    const hint = suggest(name, inQuery);
    throw new ConfigError(
      `${what}: '?${name}' in the URL is not understood; ${hint === undefined ? 'leave it out' : `did you mean '${hint}'?`}`,
    );
  }
  const inUrl = parsed.hostname === nowhere ? undefined : parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const host = query.get('host') ?? inUrl ?? process.env.PGHOST ?? 'localhost';
  if (host.includes(','))
    throw new ConfigError(`${what}: name one PostgreSQL server; of several, the primary`);
  // The parser removes port 80, since it is the default of http.
  const isEighty = /:80(?:[/?]|$)/.test(url);
  const port = portOf(
    query.get('port') ?? (parsed.port || (isEighty ? '80' : process.env.PGPORT) || '5432'),
    what,
  );
  const isSocket = host.startsWith('/');
  return {
    host,
    port,
    user,
    password,
    database,
    tls: isSocket ? null : tlsOf(query, driver.ssl, what),
    schema: schemaOf(query.get('schema') ?? driver.schema ?? 'umbel', what),
    poolSize: poolSizeOf(driver.poolSize ?? 4, what),
    connectTimeoutMs: connectTimeoutOf(query, driver, what),
    applicationName: String(driver.applicationName ?? query.get('application_name') ?? 'umbel'),
    shown: `postgresql://${isSocket ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`}/${database ?? ''}`,
  };
}

interface UrlParts {
  readonly parsed: URL;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
}

function partsOf(url: string, what: string): UrlParts {
  try {
    // The parser checks hosts of http, but not those of an unknown scheme; http also requires a host.
    const named = url
      .replace(/^[a-z+]+:\/\//i, 'http://')
      .replace(/^http:\/\/((?:[^/@?]*@)?)(?=(?::\d+)?(?:[/?]|$))/, (all) => `${all}${nowhere}`);
    const parsed = new URL(named);
    if (parsed.hash !== '') throw new Error('a # is in it');
    const text = (part: string): string | null => (part === '' ? null : decodeURIComponent(part));
    return {
      parsed,
      user: text(parsed.username),
      password: text(parsed.password),
      database: text(parsed.pathname.slice(1)),
    };
  } catch {
    throw new ConfigError(
      `${what}: not a URL like 'postgresql://user@localhost:5432/shop' (is a '%', '#', '/' or '@' in it not encoded?)`,
    );
  }
}

/** Stands for the host of a URL without one. */
const nowhere = 'nowhere.invalid';

function portOf(text: string, what: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new ConfigError(`${what}: '${text}' is no port`);
}

function schemaOf(schema: unknown, what: string): string {
  // Shorter than PostgreSQL's 63, since the channel's name contains it.
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,49}$/.test(schema) && !schema.startsWith('pg_'))
    return schema;
  throw new ConfigError(
    `${what}: 'schema' is a name of small letters, digits and '_' (50 at most), not '${String(schema)}'`,
  );
}

function poolSizeOf(size: unknown, what: string): number {
  if (typeof size === 'number' && Number.isInteger(size) && size >= 1 && size <= 1000) return size;
  throw new ConfigError(`${what}: 'poolSize' is a number of connections from 1 on, not '${String(size)}'`);
}

function connectTimeoutOf(
  query: URLSearchParams,
  driver: Readonly<Record<string, unknown>>,
  what: string,
): number {
  const inUrl = query.get('connect_timeout');
  const given = driver.connectTimeout ?? driver.socketConnectTimeout ?? (inUrl === null ? 5 : Number(inUrl));
  if (typeof given !== 'number' && typeof given !== 'string')
    throw new ConfigError(`${what}: connectTimeout is a duration in seconds`);
  const ms = toMs(given, `${what}: connectTimeout`);
  if (ms > 0) return ms;
  throw new ConfigError(`${what}: connectTimeout must be more than 0`);
}

/**
 * `require`, `verify-ca` and `verify-full` all check the certificate. libpq's `require` does not check it; that is `no-verify` here, as in
 * the driver. `prefer` and `allow` are refused: they continue unencrypted if the server, or an attacker on the way, asks for it.
 */
function tlsOf(query: URLSearchParams, ssl: unknown, what: string): PostgresTls | null {
  if (ssl === false) return null;
  const given = typeof ssl === 'object' && ssl !== null ? { ...ssl } : {};
  const options: Readonly<Record<string, unknown>> = given;
  const asked = ssl === undefined || ssl === null ? null : 'verify-full';
  const mode = query.get('sslmode') ?? asked ?? process.env.PGSSLMODE ?? 'disable';
  if (mode === 'disable') return null;
  if (mode === 'prefer' || mode === 'allow')
    throw new ConfigError(
      `${what}: sslmode=${mode} gives no protection; use 'disable', or 'require', which checks the certificate`,
    );
  if (!['require', 'verify-ca', 'verify-full', 'no-verify'].includes(mode))
    throw new ConfigError(
      `${what}: sslmode is 'disable', 'require', 'verify-ca', 'verify-full' or 'no-verify', not '${mode}'`,
    );
  const file = (name: string, queried: string): string | undefined => {
    const path = query.get(queried) ?? options[name];
    if (path === undefined || path === null) return undefined;
    try {
      return readFileSync(String(path), 'utf8');
    } catch (error) {
      throw new ConfigError(`${what}: cannot read the certificate file '${String(path)}'`, { cause: error });
    }
  };
  const text = (name: string): string | undefined =>
    options[name] === undefined || options[name] === null ? undefined : String(options[name]);
  const ca = text('ca') ?? file('caCerts', 'sslrootcert');
  const cert = text('cert') ?? file('certfile', 'sslcert');
  const key = text('key') ?? file('keyfile', 'sslkey');
  return {
    rejectUnauthorized:
      mode !== 'no-verify' && options.rejectUnauthorized !== false && options.certReqs !== 'none',
    checkHostname: mode !== 'verify-ca' && options.checkHostname !== false,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
