// The options of a call, a row for each. Names are those of Celery's apply_async.
import { ConfigError } from '../errors.ts';
import { anyText, check, duration, flag, flagged, integer, oneOf, orNull, seconds } from '../lib/checks.ts';
import { checkOptions, type Options } from '../lib/schema.ts';
import { celeryHeaders } from '../protocol/task-v2.ts';
import { maxRetries, moment, name, nameOrEmpty, time } from './checks.ts';
import { priority } from './priority.ts';

const retryPolicy = {
  /** The number of retries. Default 3; `null` = without limit (pass a `signal`). */
  maxRetries,
  /** Delay before the first retry; default 0. */
  intervalStart: duration,
  /** Added to the delay for each further retry; default 0.2 s. */
  intervalStep: duration,
  /** The longest delay. Default 1 s. */
  intervalMax: duration,
};

/** How often a refused publication is retried, and after which delays. Celery's `retry_policy`. */
export interface RetryPolicy extends Options<typeof retryPolicy> {}

/** Refuses a custom header whose name Celery's protocol uses: Celery's own header would replace it. */
const headers = check<Readonly<Record<string, unknown>>>('an object', (value, what) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const celerys = Object.keys(value).find((key) => celeryHeaders.has(key));
  if (celerys !== undefined)
    throw new ConfigError(`${what}: '${celerys}' is a header of Celery's protocol; use another name`);
  return { ...value };
});

/** The options that are sent with the call. On the wire they have Celery's names: ours in snake_case. */
export const travellingOptions = {
  /** The call is due after this duration. */
  countdown: flagged(duration, '--countdown <duration>', 'The delay: seconds, or 10m.'),
  /** The call is due at this time. */
  eta: flagged(moment, '--eta <time>', 'Not before this time: 2030-01-31T09:00:00Z.'),
  /** Do not run after this time, or after this duration. */
  expires: flagged(time, '--expires <time>', 'Do not run after this time, or after this duration.'),
  /** Default: a new UUID of version 7. */
  taskId: flagged(name, '--task-id <id>', 'An id of your own.'),
  /** The queue. Default: the queue of the routes, the task or the settings. */
  queue: flagged(name, '-Q, --queue <name>', 'Send it to this queue.'),
  /** The exchange, which leads to all queues that are bound for `routingKey` (see `taskQueues`). */
  exchange: flagged(
    nameOrEmpty,
    '--exchange <name>',
    'Send it to this exchange, and so to all queues bound for the routing key.',
  ),
  /** The routing key. Without `exchange` it is a key of the queue's own topic exchange; if that is no topic, the name of a queue, unless `queue` is set. */
  routingKey: flagged(name, '--routing-key <key>', 'The routing key.'),
  /** `'urgent'`, `'high'`, `'normal'`, `'low'`, or the number on the wire. */
  priority: flagged(
    priority,
    '--priority <priority>',
    'urgent, high, normal, low, or a number (0 is the most urgent on Redis and the embedded store).',
  ),
  /** `json`, `yaml`, `msgpack`. */
  serializer: flagged(anyText, '--serializer <name>', 'json, yaml or msgpack.'),
  /** `zlib`, `brotli` … */
  compression: orNull(anyText),
  /** Custom headers, which the task reads in `task.request.headers`. */
  headers,
  /** A name for logs and events instead of the task's. */
  shadow: anyText,
  /** Do not store the result. */
  ignoreResult: flag,
  /** The hard time limit: a run that exceeds this duration is ended and fails. */
  timeLimit: duration,
  /** The soft time limit: after this duration `task.signal` is aborted. */
  softTimeLimit: duration,
  /** The queue to which the result is sent (`rpc://`). */
  replyTo: anyText,
  /** Id of the workflow's first task. Default: the running task's root, else the call's own id. */
  rootId: name,
  /** Id of the task that sends the call. Default: the running task. */
  parentId: name,
  /** Id of the group to which the call belongs. */
  groupId: name,
  /** Index in the group, from 0. Workers refuse an index above one million. */
  groupIndex: integer(0, 1_000_000),
  /** The arguments as logs and monitors show them; default: their Python repr. Use it to hide secrets. */
  argsrepr: anyText,
  /** The same for keyword arguments. */
  kwargsrepr: anyText,
  /** 2 = persistent (default), 1 = transient. */
  deliveryMode: { ...oneOf<1 | 2>(1, 2), expected: '1 (transient) or 2 (persistent)' },
};

/** The options that control the sending. */
export const sendingOptions = {
  /** Retry while the broker cannot be reached; default true. */
  retry: flag,
  /** The number and delays of the retries; default: three within a second. */
  retryPolicy: check<RetryPolicy>('an object like { maxRetries: 3 }', (value, what) => {
    if (typeof value !== 'object' || value === null) return undefined;
    checkOptions(retryPolicy, value, what, 'of');
    return value;
  }),
  /** How long the send may take, including its retries; default `taskPublishTimeout`. */
  publishTimeout: orNull(seconds({ above: 0 })),
  /** Record the call as a child of the running task; default true. */
  addToParent: flag,
  /** Cancels the send. A message that the broker already has stays there. */
  signal: check<AbortSignal>('an AbortSignal', (value) => (value instanceof AbortSignal ? value : undefined)),
};

/** Options of one call: when it runs, where, and how its sending is repeated. */
export interface CallOptions extends Options<typeof travellingOptions>, Options<typeof sendingOptions> {}

/** Options of `app.send`. */
export interface SendOptions extends CallOptions {
  /** Keyword arguments, for tasks of Python. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** The options of a call without options. Compared by identity, which makes the common case fast. */
export const noOptions: Readonly<Record<never, never>> = Object.freeze({});

const callOptions = { ...travellingOptions, ...sendingOptions };

/**
 * Checks the options of a call: their names, their types, their ranges.
 * @throws UnknownOptionError, ConfigError
 */
export function checkCallOptions(name: string, options: CallOptions): void {
  if (options === noOptions) return;
  const where = `the call of '${name}'`;
  checkOptions(callOptions, options, where);
  if (options.countdown !== undefined && options.eta !== undefined) {
    throw new ConfigError(`'countdown' and 'eta' in ${where} say two different times; give one of them`);
  }
}
