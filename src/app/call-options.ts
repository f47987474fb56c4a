// What may be said of one call. Names are those of Celery's apply_async.
import type { Duration } from '../lib/duration.ts';

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
  /** Kept for brokers that have exchanges. */
  readonly exchange?: string;
  /** On the embedded store: the queue, if `queue` is not given. */
  readonly routingKey?: string;
  /** 0 to 255; on the embedded store 0 is the most urgent. */
  readonly priority?: number;
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
