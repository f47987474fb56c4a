// What the drivers of broker and result backend are told, from the settings.
import { isRecord } from '../lib/narrow.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Config } from './config.ts';
import { camel } from './spelling.ts';

/** Files of TLS, by Celery's names: `ca_certs` or `ssl_ca_certs` is `caCerts`. */
export interface TlsOptions {
  /** Who signed the server's certificate: a file. Default: the authorities that Node knows. */
  readonly caCerts?: string;
  /** Our own certificate and its key: files. */
  readonly certfile?: string;
  readonly keyfile?: string;
  /** `required` (default), or `none`: anybody may claim to be the server. */
  readonly certReqs?: string | number | null;
  readonly checkHostname?: boolean;
  readonly [other: string]: unknown;
}

type Options = Readonly<Record<string, unknown>>;

/** Options by Python's names, by ours: `{ master_name }` is `{ masterName }`, also in the objects within. */
export function camelOptions(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      camel(name),
      isRecord(value) ? camelOptions(value) : value,
    ]),
  );
}

/** Celery says `ca_certs` for RabbitMQ and `ssl_ca_certs` for Redis, and 2 for `required`; here they are `caCerts` and `'required'`. */
export function tlsOptions(options: Options): Options {
  return Object.fromEntries(
    Object.entries(camelOptions(options)).map(([given, value]) => {
      const name = /^ssl[A-Z]/.test(given) ? given.charAt(3).toLowerCase() + given.slice(4) : given;
      return [name, name === 'certReqs' && typeof value === 'number' ? requirements[value] : value];
    }),
  );
}

/** Python's `ssl.CERT_NONE`, `CERT_OPTIONAL`, `CERT_REQUIRED`. */
const requirements = ['none', 'optional', 'required'];

/** For `openTransport`. Only what was said: a driver knows its own defaults, and refuses what it does not know. */
export function brokerOptions(config: Config): Options {
  const { broker, brokerFailoverStrategy, brokerConnectionTimeout, brokerHeartbeat, brokerUseSsl } = config;
  return withoutUnset({
    failoverStrategy: brokerFailoverStrategy,
    ...(storeNamed(broker)?.name === 'amqp'
      ? { connectionTimeout: brokerConnectionTimeout, heartbeat: brokerHeartbeat }
      : { socketConnectTimeout: brokerConnectionTimeout }),
    ssl: brokerUseSsl || null, // Celery's false: as the URL says
    ...withTls(config.brokerTransportOptions),
  });
}

/** For `openBackend`. The options of a broker that keeps the results, too, count for both. */
export function backendOptions(config: Config): Options {
  // Those of its own are for a store of its own.
  if (config.backend !== null && storeNamed(config.backend)?.resultsAreMessages) return brokerOptions(config);
  const { backend, broker, redisBackendUseSsl, redisSocketTimeout, redisSocketConnectTimeout } = config;
  return withoutUnset({
    ...(backend === broker ? brokerOptions(config) : {}),
    ...withoutUnset({
      ssl: redisBackendUseSsl || null,
      socketTimeout: redisSocketTimeout,
      socketConnectTimeout: redisSocketConnectTimeout,
    }),
    ...withTls(config.resultBackendTransportOptions),
  });
}

function withTls(options: Options): Options {
  return isRecord(options.ssl) ? { ...options, ssl: tlsOptions(options.ssl) } : options;
}

function withoutUnset(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== null && value !== undefined),
  );
}
