// What may be said of a gateway, and the same with every default filled.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { suggest } from '../lib/suggest.ts';
import { isLoopbackName } from './loopback.ts';

export interface GatewayOptions {
  /**
   * Any of these lets a request in, as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Default: none, everybody who
   * reaches the gateway may use it.
   */
  readonly apiKeys?: readonly string[];
  /**
   * Names that a request's `Host` may have, beside those of this machine (localhost, 127.0.0.1, [::1]). Default: with API
   * keys any, without keys none: a web page that points its own name at 127.0.0.1 (DNS rebinding) is refused.
   */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may call the gateway: `https://app.example.com`. Default: none. */
  readonly cors?: readonly string[];
  /** The path under which it is mounted, `/api`. Requests come with it. Default: none. */
  readonly basePath?: string;
  /** Bytes of a request's body; default 1 MiB. */
  readonly maxBodySize?: number;
  /** The longest `?wait=`; default 60 s. */
  readonly maxWait?: Duration;
  /** Between the comments that keep an event stream open; default 15 s. */
  readonly heartbeat?: Duration;
  /** How many event streams and waiting requests at a time; default 10,000. */
  readonly maxWaiting?: number;
  /**
   * How many of them from one address; default 1,000. Behind a proxy all come from the proxy's. Counted by {@link GatewayServer}: another
   * server that mounts the gateway knows its clients itself.
   */
  readonly maxWaitingPerAddress?: number;
  /** Show the stack or Python traceback of failed tasks. Default false: it tells strangers about your machine. */
  readonly tracebacks?: boolean;
  /**
   * Serve the dead letters, to be read, replayed and deleted by whoever may use the gateway. Default false: they hold the arguments of
   * other callers.
   */
  readonly deadLetters?: boolean;
  /** Without `apiKeys`: everybody who reaches it may call every task and read every result. For a server that lets nobody else in. Default false. */
  readonly insecure?: boolean;
  /** Default: says nothing. */
  readonly logger?: Logger;
}

/** {@link GatewayOptions}, resolved. */
export interface GatewaySettings {
  readonly apiKeys: readonly string[];
  /** `null`: any. */
  readonly allowedHosts: readonly string[] | null;
  readonly cors: readonly string[];
  /** Empty, or `/api`. */
  readonly basePath: string;
  readonly maxBodySize: number;
  readonly maxWaitMs: number;
  readonly heartbeatMs: number;
  readonly maxWaiting: number;
  readonly maxWaitingPerAddress: number;
  readonly tracebacks: boolean;
  readonly deadLetters: boolean;
  readonly logger: Logger;
}

/** @throws ConfigError, UnknownOptionError */
export function resolveOptions(options: GatewayOptions): GatewaySettings {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(known, name)) {
      throw new UnknownOptionError(name, 'the options of the gateway', suggest(name, Object.keys(known)));
    }
  }
  const apiKeys = (options.apiKeys ?? []).map(checkKey);
  const allowedHosts =
    options.allowedHosts?.map((host) => host.toLowerCase()) ?? (apiKeys.length > 0 ? null : []);
  return {
    apiKeys,
    allowedHosts,
    cors: (options.cors ?? []).map(checkOrigin),
    basePath: checkBasePath(options.basePath ?? ''),
    maxBodySize: above0('maxBodySize', options.maxBodySize ?? 1024 * 1024),
    maxWaitMs: above0('maxWait', toMs(options.maxWait ?? 60, "the gateway's maxWait")),
    heartbeatMs: above0('heartbeat', toMs(options.heartbeat ?? 15, "the gateway's heartbeat")),
    maxWaiting: above0('maxWaiting', options.maxWaiting ?? 10_000),
    maxWaitingPerAddress: above0('maxWaitingPerAddress', options.maxWaitingPerAddress ?? 1000),
    tracebacks: options.tracebacks ?? false,
    deadLetters: options.deadLetters ?? false,
    logger: options.logger ?? silentLogger,
  };
}

/**
 * Who mounts it must say who may use it: the names in `Host` stop browsers, not programs.
 * @throws ConfigError
 */
export function checkMounted({ apiKeys = [], insecure = false }: GatewayOptions): void {
  if (apiKeys.length > 0 || insecure) return;
  throw new ConfigError(
    'the gateway would be open to everybody who reaches the server in which it is mounted: give it apiKeys, or say { insecure: true } where that server lets nobody else in (it listens on 127.0.0.1, or asks who it is itself)',
  );
}

/**
 * An address that others reach must not be open to everybody.
 * @throws ConfigError
 */
export function checkExposure(host: string, { apiKeys = [], insecure = false }: GatewayOptions): void {
  if (apiKeys.length > 0 || insecure || isLoopbackName(host)) return;
  throw new ConfigError(
    `the gateway would be open to everybody who reaches ${host}; give it an API key (--api-key or UMBEL_API_KEY), or listen on 127.0.0.1`,
  );
}

/** Every option, so that the compiler misses none and a mistyped one is found. */
const known: { readonly [Name in keyof Required<GatewayOptions>]: true } = {
  apiKeys: true,
  allowedHosts: true,
  cors: true,
  basePath: true,
  maxBodySize: true,
  maxWait: true,
  heartbeat: true,
  maxWaiting: true,
  maxWaitingPerAddress: true,
  tracebacks: true,
  deadLetters: true,
  insecure: true,
  logger: true,
};

function checkKey(key: string): string {
  // What a header can carry; a key with a stray line break would never match anything.
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new ConfigError('an API key must be printable ASCII without spaces, and not empty');
}

function checkOrigin(origin: string): string {
  if (URL.canParse(origin) && new URL(origin).origin === origin) return origin;
  throw new ConfigError(`cors: '${origin}' is no origin; write it like 'https://app.example.com'`);
}

function checkBasePath(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  if (/^(?:\/[\w.~-]+)*$/.test(trimmed)) return trimmed;
  throw new ConfigError(`basePath: '${path}' must be a path like '/api'`);
}

export function above0(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new ConfigError(`the gateway's ${option} must be above 0`);
}
