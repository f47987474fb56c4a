// The options of a gateway, one row each.
import { ConfigError } from '../errors.ts';
import { isLoopbackName } from '../http/loopback.ts';
import { basePath, listOf, namesOfHosts } from '../http/option-checks.ts';
import { asGiven, flag, optional, positive, seconds } from '../lib/checks.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { field, type Options, type Read, readOptions } from '../lib/schema.ts';

const gatewayOptions = {
  /**
   * A request with any of these keys is let in, as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Default: none; everybody who
   * reaches the gateway may use it.
   */
  apiKeys: field(listOf('a list of keys', checkKey), []),
  /**
   * Names that a request's `Host` may have, besides those of this machine (localhost, 127.0.0.1, [::1]). Default: with API
   * keys any name, without keys no other: this refuses a web page that points its own name at 127.0.0.1 (DNS rebinding).
   */
  allowedHosts: optional(namesOfHosts),
  /** Origins whose pages may call the gateway: `https://app.example.com`. Default: none. */
  cors: field(listOf('a list of origins', checkOrigin), []),
  /** The path under which it is mounted: `/api`. Requests come with it. Default: none. */
  basePath: field(basePath, ''),
  /** The largest body of a request, bytes; default 1 MiB. */
  maxBodySize: field(positive, 1024 * 1024),
  /** The longest `?wait=`; default 60 s. */
  maxWait: field(seconds({ above: 0 }), 60),
  /** The pause between the comments that keep an event stream open; default 15 s. */
  heartbeat: field(seconds({ above: 0 }), 15),
  /** How many event streams and waiting requests there may be; default 10,000. */
  maxWaiting: field(positive, 10_000),
  /**
   * How many of them one address may have; default 1,000. Behind a proxy all have the proxy's address. {@link GatewayServer} counts them: another
   * server that mounts the gateway has to do so itself.
   */
  maxWaitingPerAddress: field(positive, 1000),
  /** Show the stack or Python traceback of failed tasks. Default false: it reveals details of your machine. */
  tracebacks: field(flag, false),
  /**
   * Serve the dead letters: everybody who may use the gateway may read, replay and delete them. Default false: they hold the arguments of
   * other callers.
   */
  deadLetters: field(flag, false),
  /** Allow a gateway without `apiKeys`: everybody who reaches it may call every task and read every result. For a server that lets nobody else in. Default false. */
  insecure: field(flag, false),
  /** Default: no logging. */
  logger: field(asGiven<Logger>('a logger'), silentLogger),
};

export interface GatewayOptions extends Options<typeof gatewayOptions> {}

/** {@link GatewayOptions}, resolved. `allowedHosts` is `null` where any name is allowed; durations are milliseconds. */
export interface GatewaySettings
  extends Omit<Read<typeof gatewayOptions>, 'maxWait' | 'heartbeat' | 'insecure'> {
  readonly maxWaitMs: number;
  readonly heartbeatMs: number;
}

/** @throws ConfigError, UnknownOptionError */
export function resolveOptions(options: GatewayOptions): GatewaySettings {
  const read = readOptions(gatewayOptions, options, 'the options of the gateway');
  const { maxWait, heartbeat, insecure: _, ...settings } = read;
  return {
    ...settings,
    allowedHosts: settings.allowedHosts ?? (settings.apiKeys.length > 0 ? null : []),
    maxWaitMs: maxWait * 1000,
    heartbeatMs: heartbeat * 1000,
  };
}

/**
 * A gateway that is mounted must be told who may use it: the names in `Host` stop browsers, not programs.
 * @throws ConfigError
 */
export function checkMounted({ apiKeys = [], insecure = false }: GatewayOptions): void {
  if (apiKeys.length > 0 || insecure) return;
  throw new ConfigError(
    'the gateway would be open to everybody who reaches the server in which it is mounted: give it apiKeys, or set { insecure: true } if that server lets nobody else in (it listens on 127.0.0.1, or authenticates its clients)',
  );
}

/**
 * A gateway on an address that others can reach must not be open to everybody.
 * @throws ConfigError
 */
export function checkExposure(host: string, { apiKeys = [], insecure = false }: GatewayOptions): void {
  if (apiKeys.length > 0 || insecure || isLoopbackName(host)) return;
  throw new ConfigError(
    `the gateway would be open to everybody who reaches ${host}; give it an API key (--api-key or UMBEL_API_KEY), or listen on 127.0.0.1`,
  );
}

function checkKey(key: string): string {
  // The characters that a header can carry; a key with a stray line break would never match.
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new ConfigError('an API key must be printable ASCII without spaces, and not empty');
}

function checkOrigin(origin: string): string {
  if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
  throw new ConfigError(`cors: '${origin}' is no origin; write it like 'https://app.example.com'`);
}
