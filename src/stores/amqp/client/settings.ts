// The settings of a RabbitMQ server, from a URL and a driver's options.

import { readFileSync } from 'node:fs';
import { ConfigError } from '../../../errors.ts';
import { type Duration, toMs } from '../../../lib/duration.ts';
import { requireKnownOptions } from '../../known-options.ts';

export interface AmqpEndpoint {
  readonly protocol: 'amqp' | 'amqps';
  readonly hostname: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
}

export interface AmqpSettings {
  /** The servers in the order in which they are tried. */
  readonly endpoints: readonly AmqpEndpoint[];
  readonly secure: boolean;
  /** Options for `tls.connect`, and `checkHostname`; plain data, so that a thread can be given them. */
  readonly tls: Readonly<Record<string, unknown>>;
  /** Seconds; 0: none; null: not set. */
  readonly heartbeat: number | null;
  readonly connectTimeoutMs: number;
  /** The type of the queues in which delayed messages wait (Celery's broker_native_delayed_delivery_queue_type). */
  readonly delayedQueueType: 'classic' | 'quorum';
  /** The URL without its password, for people. */
  readonly shown: string;
}

const known = ['ssl', 'heartbeat', 'connectionTimeout', 'delayedQueueType', 'failoverStrategy'];
/** Options of Celery's that have no meaning here: every message is confirmed. */
const needless = [
  'confirmPublish',
  'maxRetries',
  'intervalStart',
  'intervalStep',
  'intervalMax',
  'clientProperties',
  'loginMethod',
  'readTimeout',
  'writeTimeout',
];

/**
 * `amqp://[user:password@]host[:port]/[vhost]`, `pyamqp://` the same, `amqps://` with TLS; several, for failover, joined by `;`.
 * The path after the first `/` is the virtual host, decoded; without it the virtual host is `/`, as in Celery.
 * @throws ConfigError naming `what`, never a password
 */
export function amqpSettings(
  url: string,
  what: string,
  driver: Readonly<Record<string, unknown>> = {},
): AmqpSettings {
  requireKnownOptions(driver, [...known, ...needless], 'RabbitMQ', what);
  const parts = url
    .split(';')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const endpoints = parts.map((each) => endpointOf(each, what));
  const [first] = endpoints;
  if (first === undefined) throw new ConfigError(`${what}: not a URL like 'amqp://guest:guest@localhost//'`);
  const type = driver.delayedQueueType ?? 'quorum';
  if (type !== 'classic' && type !== 'quorum')
    throw new ConfigError(`${what}: delayedQueueType is 'classic' or 'quorum', not '${String(type)}'`);
  const secure =
    first.protocol === 'amqps' || (driver.ssl !== undefined && driver.ssl !== false && driver.ssl !== null);
  return {
    endpoints,
    secure,
    tls: secure ? tlsOf(driver.ssl, what) : {},
    heartbeat:
      driver.heartbeat === undefined || driver.heartbeat === null
        ? null
        : Math.ceil(toMs(driver.heartbeat as Duration, `${what}: heartbeat`) / 1000), // checked there
    connectTimeoutMs: toMs(
      (driver.connectionTimeout as Duration | undefined) ?? 4,
      `${what}: connectionTimeout`,
    ), // checked there
    delayedQueueType: type,
    shown: `${first.protocol}://${endpoints.map(({ hostname, port }) => `${hostname}:${port}`).join(',')}/${first.vhost}`,
  };
}

function endpointOf(url: string, what: string): AmqpEndpoint {
  const scheme = /^([a-z]+):\/\//i.exec(url)?.[1]?.toLowerCase() ?? '';
  const protocol = scheme === 'amqps' ? 'amqps' : 'amqp';
  try {
    const parsed = new URL(
      url
        .replace(/^[a-z]+:\/\/((?:[^/@?]*@)?)(?=(?::\d+)?(?:[/?]|$))/i, '$&localhost')
        .replace(/^[a-z]+:/i, 'http:'),
    );
    const unknown = [...parsed.searchParams.keys()][0];
    if (unknown !== undefined)
      throw new ConfigError(`${what}: '?${unknown}' in the URL is not understood; leave it out`);
    const path = decodeURIComponent(parsed.pathname.slice(1));
    return {
      protocol,
      hostname: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
      port:
        parsed.port === ''
          ? /:80(?:[/?]|$)/.test(url)
            ? 80
            : protocol === 'amqps'
              ? 5671
              : 5672
          : Number(parsed.port),
      username: parsed.username === '' ? 'guest' : decodeURIComponent(parsed.username),
      password: parsed.password === '' ? 'guest' : decodeURIComponent(parsed.password),
      vhost: path === '' ? '/' : path,
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `${what}: not a URL like 'amqp://user:password@localhost:5672/vhost' (is a '%', '#' or '@' in it not encoded?)`,
    );
  }
}

/** By default a server that cannot prove its identity is refused. The names are those of Celery's `broker_use_ssl`, or Node's. */
function tlsOf(ssl: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof ssl !== 'object' || ssl === null) return {};
  const given: Readonly<Record<string, unknown>> = { ...ssl };
  const file = (name: string): Buffer | undefined => {
    const path = given[name];
    if (path === undefined || path === null) return undefined;
    try {
      return readFileSync(String(path));
    } catch (error) {
      throw new ConfigError(`${what}: cannot read the certificate file '${String(path)}'`, { cause: error });
    }
  };
  const requirement = String(given.certReqs ?? 'required')
    .toLowerCase()
    .replace('cert_', '');
  const ca = given.ca ?? file('caCerts');
  const cert = given.cert ?? file('certfile');
  const key = given.key ?? file('keyfile');
  return {
    rejectUnauthorized: given.rejectUnauthorized !== false && requirement !== 'none',
    ...(given.servername !== undefined && { servername: given.servername }),
    ...(given.checkHostname === false && { checkHostname: false }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
