// What may be said of one call, a row for each option. Names are those of Celery's apply_async.
import { ConfigError } from '../errors.ts';
import { anyText, check, duration, flag, flagged, integer, oneOf, orNull, seconds } from '../lib/checks.ts';
import { checkOptions, type Options } from '../lib/schema.ts';
import { celeryHeaders } from '../protocol/task-v2.ts';
import { maxRetries, moment, name, nameOrEmpty, time } from './checks.ts';
import { priority } from './priority.ts';

const retryPolicy = {
  /** Default 3; `null` = for ever (give a `signal`). */
  maxRetries,
  /** Before the first try again; default 0. */
  intervalStart: duration,
  /** Added for each further one; default 0.2 s. */
  intervalStep: duration,
  /** Default 1 s. */
  intervalMax: duration,
};

/** How often and how soon a refused publication is tried again. Celery's `retry_policy`. */
export interface RetryPolicy extends Options<typeof retryPolicy> {}

/** A header of the user's with the name of one of Celery's would not be sent. */
const headers = check<Readonly<Record<string, unknown>>>('an object', (value, what) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const celerys = Object.keys(value).find((key) => celeryHeaders.has(key));
  if (celerys !== undefined)
    throw new ConfigError(`${what}: '${celerys}' is a header of Celery's protocol; take another name`);
  return { ...value };
});

/** What travels with the call, under Celery's names: ours in Python's spelling. */
export const travellingOptions = {
  /** Not before this much time has passed. */
  countdown: flagged(duration, '--countdown <duration>', 'The delay: seconds, or 10m.'),
  /** Not before this time. */
  eta: flagged(moment, '--eta <time>', 'Not before this time: 2030-01-31T09:00:00Z.'),
  /** Do not run after this time, or after this duration. */
  expires: flagged(time, '--expires <time>', 'Do not run after this time, or after this duration.'),
  /** Default: a new UUID of version 7. */
  taskId: flagged(name, '--task-id <id>', 'An id of your own.'),
  /** Where it goes; default: as the routes, the task and the settings say. */
  queue: flagged(name, '-Q, --queue <name>', 'Send it to this queue.'),
  /** Sent there, to all queues that are bound for `routingKey` (see `taskQueues`). */
  exchange: flagged(
    nameOrEmpty,
    '--exchange <name>',
    'Send it to this exchange, and so to all queues bound for the routing key.',
  ),
  /** Without `exchange`: of the queue's own exchange, if that is a topic; else it is a queue, if `queue` is not given. */
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
  /** Your own, for the task to read: `task.request.headers`. */
  headers,
  /** Another name to show in logs. */
  shadow: anyText,
  /** Do not keep its result. */
  ignoreResult: flag,
  /** How long it may run before it is ended as failed. */
  timeLimit: duration,
  /** How long it may run before `task.signal` is aborted. */
  softTimeLimit: duration,
  /** The queue to which its result is sent (`rpc://`). */
  replyTo: anyText,
  /** Default: that of the running task, else the call's own id. */
  rootId: name,
  /** Default: the running task. */
  parentId: name,
  /** The group that it is a member of. */
  groupId: name,
  /** Its place in the group, from 0. More than a million is taken for an attack by those who read it. */
  groupIndex: integer(0, 1_000_000),
  /** How the arguments look in logs and monitors; default: as Python would show them. Use it to hide secrets. */
  argsrepr: anyText,
  /** The same for keyword arguments. */
  kwargsrepr: anyText,
  /** 2 = persistent (default), 1 = transient. */
  deliveryMode: { ...oneOf<1 | 2>(1, 2), expected: '1 (transient) or 2 (persistent)' },
};

/** What concerns the sending. */
export const sendingOptions = {
  /** Try again when the broker is not there; default true. */
  retry: flag,
  /** How often and how soon; default: three times within a second. */
  retryPolicy: check<RetryPolicy>('an object like { maxRetries: 3 }', (value, what) => {
    if (typeof value !== 'object' || value === null) return undefined;
    checkOptions(retryPolicy, value, what, 'of');
    return value;
  }),
  /** How long the send may take, trying again included; default `taskPublishTimeout`. */
  publishTimeout: orNull(seconds({ above: 0 })),
  /** Keep the call as a child of the running task; default true. */
  addToParent: flag,
  /** Gives up sending. What the broker has already, is not taken back. */
  signal: check<AbortSignal>('an AbortSignal', (value) => (value instanceof AbortSignal ? value : undefined)),
};

export interface CallOptions extends Options<typeof travellingOptions>, Options<typeof sendingOptions> {}

/** Options of `app.send`. */
export interface SendOptions extends CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** What a call is sent with when nothing is said. Compared by identity: the common case is the fast one. */
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
