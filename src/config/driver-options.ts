// The options that the drivers of broker and result backend get from the settings.
import { isRecord } from '../lib/narrow.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Config } from './config.ts';
import { camel } from './spelling.ts';

/** Options of TLS. Celery's `ca_certs` or `ssl_ca_certs` is `caCerts`. */
export interface TlsOptions {
  /** File with the certificate authorities that may sign the server's certificate. Default: the authorities that Node knows. */
  readonly caCerts?: string;
  /** File with the client's certificate; `keyfile` holds its key. */
  readonly certfile?: string;
  /** The private key of `certfile`, a path. */
  readonly keyfile?: string;
  /** `required` (default), or `none`: the server's certificate is not checked. */
  readonly certReqs?: string | number | null;
  /** Whether the server's certificate must be for its host name. */
  readonly checkHostname?: boolean;
  readonly [other: string]: unknown;
}

type Options = Readonly<Record<string, unknown>>;

/** Changes Python's names of options to ours: `{ master_name }` becomes `{ masterName }`, also in nested objects. */
export function camelOptions(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      camel(name),
      isRecord(value) ? camelOptions(value) : value,
    ]),
  );
}

/** Celery's name is `ca_certs` for RabbitMQ and `ssl_ca_certs` for Redis, and its value for `required` is 2; here they are `caCerts` and `'required'`. */
export function tlsOptions(options: Options): Options {
  return Object.fromEntries(
    Object.entries(camelOptions(options)).map(([given, value]) => {
      const name = /^ssl[A-Z]/.test(given) ? given.charAt(3).toLowerCase() + given.slice(4) : given;
      return [name, name === 'certReqs' && typeof value === 'number' ? requirements[value] : value];
    }),
  );
}

/** The values of Python's `ssl.CERT_NONE`, `CERT_OPTIONAL`, `CERT_REQUIRED`. */
const requirements = ['none', 'optional', 'required'];

/** Options for `openTransport`: only those that are set, since a driver has its own defaults and refuses options that it does not know. */
export function brokerOptions(config: Config): Options {
  const { broker, brokerFailoverStrategy, brokerConnectionTimeout, brokerHeartbeat, brokerUseSsl } = config;
  return withoutUnset({
    failoverStrategy: brokerFailoverStrategy,
    ...(storeNamed(broker)?.name === 'amqp'
      ? { connectionTimeout: brokerConnectionTimeout, heartbeat: brokerHeartbeat }
      : { socketConnectTimeout: brokerConnectionTimeout }),
    ssl: brokerUseSsl || null, // Celery's false: the URL decides
    ...withTls(config.brokerTransportOptions),
  });
}

/** Options for `openBackend`. A broker that also keeps the results uses the broker's options for both. */
export function backendOptions(config: Config): Options {
  // `resultBackendTransportOptions` is for a backend that is not the broker.
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
