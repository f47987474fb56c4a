// What may be said of one call. Names are those of Celery's apply_async.
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { suggest } from '../lib/suggest.ts';
import { celeryHeaders } from '../protocol/task-v2.ts';
import { checkDuration, checkMoment, checkName } from './checks.ts';
import { checkPriority, type Priority } from './priority.ts';

/** How often and how soon a refused publication is tried again. Celery's `retry_policy`. */
export interface RetryPolicy {
  /** Default 3; `null` = for ever (give a `signal`). */
  readonly maxRetries?: number | null;
  /** Before the first try again; default 0. */
  readonly intervalStart?: Duration;
  /** Added for each further one; default 0.2 s. */
  readonly intervalStep?: Duration;
  /** Default 1 s. */
  readonly intervalMax?: Duration;
}

export interface CallOptions {
  /** Not before so long from now. */
  readonly countdown?: Duration;
  /** Not before this time. */
  readonly eta?: Date;
  /** Not after this time, or so long from now. */
  readonly expires?: Date | Duration;
  /** Default: a new UUID of version 7. */
  readonly taskId?: string;
  readonly queue?: string;
  /** Sent there, to all queues that are bound for `routingKey` (see `taskQueues`). */
  readonly exchange?: string;
  /** Without `exchange`: of the queue's own exchange, if that is a topic; else it is a queue, if `queue` is not given. */
  readonly routingKey?: string;
  /** `'urgent'`, `'high'`, `'normal'`, `'low'`, or the number on the wire. */
  readonly priority?: Priority;
  /** `json`, `yaml`, `msgpack`. */
  readonly serializer?: string;
  /** `zlib`, `brotli` … */
  readonly compression?: string | null;
  /** Your own, for the task to read: `task.request.headers`. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Another name to show in logs. */
  readonly shadow?: string;
  /** Try again when the broker is not there; default true. */
  readonly retry?: boolean;
  readonly retryPolicy?: RetryPolicy;
  /** How long the send may take, trying again included; default `taskPublishTimeout`. */
  readonly publishTimeout?: Duration | null;
  readonly ignoreResult?: boolean;
  readonly timeLimit?: Duration;
  readonly softTimeLimit?: Duration;
  readonly replyTo?: string;
  /** Default: that of the running task, else the call's own id. */
  readonly rootId?: string;
  /** Default: the running task. */
  readonly parentId?: string;
  readonly groupId?: string;
  readonly groupIndex?: number;
  /** How the arguments look in logs and monitors; default: as Python would show them. Use it to hide secrets. */
  readonly argsrepr?: string;
  readonly kwargsrepr?: string;
  /** 2 = persistent (default), 1 = transient. */
  readonly deliveryMode?: 1 | 2;
  /** Keep the call as a child of the running task; default true. */
  readonly addToParent?: boolean;
  /** Gives up sending. What the broker has already, is not taken back. */
  readonly signal?: AbortSignal;
}

/** Options of `app.send`. */
export interface SendOptions extends CallOptions {
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** What a call is sent with when nothing is said. Compared by identity: the common case is the fast one. */
export const noOptions: Readonly<Record<never, never>> = Object.freeze({});

/**
 * Checks the options of a call: their names, their types, their ranges.
 * @throws UnknownOptionError, ConfigError
 */
export function checkCallOptions(name: string, options: CallOptions): void {
  if (options === noOptions) return;
  const where = `the call of '${name}'`;
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(callOptions, option))
      throw new UnknownOptionError(option, where, suggest(option, Object.keys(callOptions)));
    if (value === undefined) continue;
    callOptions[option as keyof CallOptions](value, `'${option}' in ${where}`); // it has it: see above
  }
  if (options.countdown !== undefined && options.eta !== undefined) {
    throw new ConfigError(`'countdown' and 'eta' in ${where} say two different times; give one of them`);
  }
}

type Check = (value: unknown, what: string) => void;

const isText: Check = (value, what) => {
  if (typeof value !== 'string') throw new ConfigError(`${what} must be text`);
};
const isFlag: Check = (value, what) => {
  if (typeof value !== 'boolean') throw new ConfigError(`${what} must be true or false`);
};

/** Every option with its check, so that the compiler misses none and a mistyped one is found. */
const callOptions: { readonly [Name in keyof Required<CallOptions>]: Check } = {
  countdown: checkDuration,
  eta: checkMoment,
  expires: (value, what) => (value instanceof Date ? checkMoment(value, what) : checkDuration(value, what)),
  taskId: checkName,
  queue: checkName,
  exchange: isText,
  routingKey: checkName,
  priority: checkPriority,
  serializer: isText,
  compression: (value, what) => {
    if (value !== null) isText(value, what);
  },
  headers: checkHeaders,
  shadow: isText,
  retry: isFlag,
  retryPolicy: checkRetryPolicy,
  publishTimeout: (value, what) => {
    if (value === null) return;
    checkDuration(value, what);
    if (toMs(value as Duration) <= 0) throw new ConfigError(`${what} must be above 0, or null`); // just checked
  },
  ignoreResult: isFlag,
  timeLimit: checkDuration,
  softTimeLimit: checkDuration,
  replyTo: isText,
  rootId: checkName,
  parentId: checkName,
  groupId: checkName,
  groupIndex: (value, what) => {
    // The readers' bound: more is taken for an attack.
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 1_000_000)
      throw new ConfigError(`${what} must be a whole number from 0 to 1,000,000`);
  },
  argsrepr: isText,
  kwargsrepr: isText,
  deliveryMode: (value, what) => {
    if (value !== 1 && value !== 2) throw new ConfigError(`${what} must be 1 (transient) or 2 (persistent)`);
  },
  addToParent: isFlag,
  signal: (value, what) => {
    if (!(value instanceof AbortSignal)) throw new ConfigError(`${what} must be an AbortSignal`);
  },
};

/** A header of the user's with the name of one of Celery's would not be sent. */
function checkHeaders(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(`${what} must be an object`);
  for (const key of Object.keys(value)) {
    if (celeryHeaders.has(key))
      throw new ConfigError(`${what}: '${key}' is a header of Celery's protocol; take another name`);
  }
}

function checkRetryPolicy(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null)
    throw new ConfigError(`${what} must be an object like { maxRetries: 3 }`);
  const names: readonly (keyof RetryPolicy)[] = [
    'maxRetries',
    'intervalStart',
    'intervalStep',
    'intervalMax',
  ];
  for (const [key, part] of Object.entries(value)) {
    if (!names.some((name) => name === key)) throw new UnknownOptionError(key, what, suggest(key, names));
    if (key === 'maxRetries') {
      if (part !== null && !(Number.isInteger(part) && Number(part) >= 0)) {
        throw new ConfigError(`'maxRetries' of ${what} must be a whole number from 0, or null`);
      }
    } else checkDuration(part, `'${key}' of ${what}`);
  }
}
