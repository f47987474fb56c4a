// The settings of an application, a row for each: its meaning, its type, its default, and Celery's name where that differs from ours.
// docs/reference/settings.md is made from these rows (by test/config/reference.test.ts).

import { ConfigError } from '../errors.ts';
import {
  asGiven,
  check,
  count,
  flag,
  integer,
  oneOf,
  orNull,
  record,
  seconds,
  text,
  texts,
} from '../lib/checks.ts';
import { celeryLogFormat, celeryTaskLogFormat, logFormatter } from '../lib/log-format.ts';
import { type Check, type Field, field, SameAs } from '../lib/schema.ts';
import { readableCompression, standardCompressions } from '../protocol/compression.ts';
import { defaultLimits } from '../protocol/limits.ts';
import { serializerNamed } from '../protocol/serializers.ts';
import type { BeatSchedule } from './beat-schedule.ts';
import { checkName, compression, serializer } from './checks.ts';
import { camelOptions, type TlsOptions, tlsOptions } from './driver-options.ts';
import { type QueueLimits, readQueueLimits } from './limit-options.ts';
import { priority } from './priority.ts';
import { exchangeType, type Queues } from './queues.ts';
import { rate } from './rate.ts';
import { Router, type Routes } from './router.ts';
import { snake } from './spelling.ts';
import { autoscale, pool } from './worker-settings.ts';

/** A URL, or several URLs, as one text with `;` between them. */
const urls = check<string | readonly string[], string>('a URL, or a list of URLs', (value) => {
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  const read = given.filter((url): url is string => typeof url === 'string' && url.trim() !== '');
  return read.length > 0 && read.length === given.length ? read.join(';') : undefined;
});

const name = check<string>(text.expected, (value, what) =>
  text.accept(value, what) === undefined ? undefined : checkName(value, what),
);

/** Python's names of the options become ours. */
const driverOptions = record('an object with options', (value) => Object.freeze(camelOptions(value)));

/** An error does not show it, whatever it is. */
const password = check<string | null>('text that is not empty, or null', (value, what) => {
  if (value === null || (typeof value === 'string' && value !== '')) return value;
  throw new ConfigError(`${what} must be text that is not empty, or null`);
});

const tls = check<TlsOptions | boolean | null>(
  'true, false, or an object like { caCerts: file }, or null',
  (value, what) => {
    if (value === null || typeof value === 'boolean') return value;
    return record('', (options) => Object.freeze(tlsOptions(options))).accept(value, what);
  },
);

const queueType = oneOf('classic', 'quorum');

const serializers = check<readonly string[]>('a list of serializers', (value, what) => {
  const names = texts.accept(value, what)?.map(serializerNamed);
  if (names?.length === 0)
    throw new ConfigError(`${what} is empty: no message could be read; the default is ['json']`);
  return Object.freeze(names);
});

const compressions = check<readonly string[]>('a list of compressions', (value, what) =>
  Object.freeze(texts.accept(value, what)?.map(readableCompression)),
);

/** Celery's own format means the default form, like null. */
function logFormat(celerys: string): Check<string | null> {
  return check(`a format of Python's like '%(levelname)s %(message)s', or null`, (value, what) => {
    if (value === null || value === celerys) return null;
    const format = text.accept(value, what);
    if (format !== undefined) logFormatter(format, what); // throws for a wrong format
    return format;
  });
}

const timezone = check<string>("the name of a time zone ('Europe/Berlin')", (value) => {
  if (typeof value !== 'string') return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return value;
  } catch {
    return undefined;
  }
});

const routes = check<Routes>('routes', (value) => {
  const given = value as Routes; // the router checks it on the next line
  new Router(given);
  return given;
});

const queueLimits = record('an object with an entry for each queue', (value) => {
  const given = value as QueueLimits; // checked on the next line
  readQueueLimits(given);
  return given;
});

const beatSchedule = record(
  'an object with an entry for each name',
  (value) => value as BeatSchedule, // the application reads the entries, since it knows the tasks
);

/** At most an hour: a worker that waits longer looks as if it had given up. */
const sleepMs = integer(1, 3_600_000);

export const settings = {
  /**
   * URL of the broker. Several, in a list or as one text with `;` between them, are tried in turn. `memory://` is private to the
   * application, `memory://name` is shared in the process. Default `sqlite://.umbel/store.db`.
   */
  broker: field(urls, 'sqlite://.umbel/store.db', {
    celery: 'broker_url',
    nullMeansUnset: true,
    variables: ['UMBEL_BROKER_URL', 'CELERY_BROKER_URL'],
  }),
  /** URL of the result backend; default: the broker's store, if that keeps results (RabbitMQ does not). `null`: results are not kept. */
  backend: field(orNull(text), new SameAs<string>('broker'), {
    celery: 'result_backend',
    variables: ['UMBEL_RESULT_BACKEND', 'CELERY_RESULT_BACKEND'],
  }),
  /**
   * The password for the broker, as it is, without percent-encoding: for the URLs of `broker` that have none (`redis://host/0`,
   * `amqp://user@host/`). Embedded stores need none. It is never shown.
   */
  brokerPassword: field(password, null, { variables: ['UMBEL_BROKER_PASSWORD'] }),
  /** The same for `backend`, if that has its own URL. */
  resultBackendPassword: field(password, null, {
    variables: ['UMBEL_RESULT_BACKEND_PASSWORD'],
  }),
  /** The order in which several brokers are tried: one after another (`round-robin`, also `null`), or at random (`shuffle`). */
  brokerFailoverStrategy: field(orNull(oneOf('round-robin', 'shuffle')), null),
  /** How long one attempt to connect may take; `null`: the driver's default. */
  brokerConnectionTimeout: field(orNull(seconds({ above: 0 })), null),
  /** RabbitMQ: the interval of heartbeats; 0: none; `null`: the driver's default. */
  brokerHeartbeat: field(orNull(seconds({ from: 0 })), null),
  /** TLS: `true`, or its files (`{ caCerts, certfile, keyfile, certReqs }`). The URLs `rediss://` and `amqps://` do the same. */
  brokerUseSsl: field(tls, null),
  /** Options of the broker's driver: see the guide to transports. */
  brokerTransportOptions: field(driverOptions, Object.freeze({})),
  /** Options of the result backend's driver. */
  resultBackendTransportOptions: field(driverOptions, Object.freeze({})),
  /** As `brokerUseSsl`, for results in Redis. */
  redisBackendUseSsl: field(tls, null),
  /** No effect: connections are watched, and each request has its own deadline. */
  redisSocketTimeout: field(orNull(seconds({ above: 0 })), null),
  /** How long an attempt to connect to results in Redis may take; `null`: the driver's default. */
  redisSocketConnectTimeout: field(orNull(seconds({ above: 0 })), null),
  /** The queues, and the exchanges that lead to them. A worker serves these unless it is told otherwise. */
  taskQueues: field(orNull(asGiven<Queues>('a list of names and queues, or an object of queues')), null),
  /** The queue of calls without another one. Default `celery`. */
  taskDefaultQueue: field(name, 'celery', { nullMeansUnset: true }),
  /** The exchange of queues without one; `null`: the queue's name. */
  taskDefaultExchange: field(orNull(name), null),
  /** The type of exchanges without one. Default `direct`. */
  taskDefaultExchangeType: field(exchangeType, 'direct', { nullMeansUnset: true }),
  /** The routing key of queues without one; `null`: the queue's name. */
  taskDefaultRoutingKey: field(orNull(name), null),
  /** RabbitMQ: the type of `taskDefaultQueue`. Default `classic`. */
  taskDefaultQueueType: field(queueType, 'classic'),
  /** Whether calls may go to queues that `taskQueues` does not name. Default `true`. */
  taskCreateMissingQueues: field(flag, true),
  /** RabbitMQ: the type of these queues. Default `classic`. */
  taskCreateMissingQueueType: field(queueType, 'classic'),
  /** RabbitMQ: `x-max-priority` of all queues without their own. Without it a queue has no priorities. */
  taskQueueMaxPriority: field(orNull(integer(1, 255)), null),
  /** How long a send may take, including its retries; `null`: until its `retryPolicy` or `signal` ends it. Default 10 s. */
  taskPublishTimeout: field(orNull(seconds({ above: 0 })), 10),
  /** The queue or exchange of calls: see the guide to tasks. */
  taskRoutes: field(orNull(routes), null),
  /** The serializer of arguments. Default `json`. */
  taskSerializer: field(serializer, 'json'),
  /** The compression of bodies: `zlib`, `brotli`, `zstd` and others. */
  taskCompression: field(compression, null),
  /** The serializers that a worker reads. Default `['json']`. */
  acceptContent: field(serializers, Object.freeze(['json'])),
  /**
   * The compressions that a worker reads. `gzip` is kombu's name for zlib. `bzip2` is read only if it is named, up to 1 MiB per
   * message: reading it blocks the event loop for half a second. Default `['gzip','brotli','zstd']`.
   */
  acceptCompression: field(compressions, Object.freeze([...standardCompressions])),
  /** Do not keep results, unless the task or call says so. Default `false`. */
  taskIgnoreResult: field(flag, false),
  /** Keep errors even if results are not kept. Default `false`. */
  taskStoreErrorsEvenIfIgnored: field(flag, false),
  /** Acknowledge after the run. Celery's default is `false`, which loses the tasks of a dying worker. Default `true`. */
  taskAcksLate: field(flag, true),
  /** Celery's older name for `taskAcksOnFailure` and `taskAcksOnTimeout` together. Default `true`. */
  taskAcksOnFailureOrTimeout: field(flag, true),
  /** `false`: the messages of failed tasks go to the dead letters. */
  taskAcksOnFailure: field(flag, new SameAs<boolean>('taskAcksOnFailureOrTimeout')),
  /** `false`: tasks that exceed their hard time limit run again, at most `workerMaxDeliveries` times. */
  taskAcksOnTimeout: field(flag, new SameAs<boolean>('taskAcksOnFailureOrTimeout')),
  /** `false`: a task whose pool process dies fails. `true`, unlike Celery's default: it runs again. Default `true`. */
  taskRejectOnWorkerLost: field(flag, true, { nullMeansUnset: true }),
  /** Record that a task has started. Default `false`. */
  taskTrackStarted: field(flag, false),
  /** How long a task may run before it is ended as failed; `null`: no limit. */
  taskTimeLimit: field(orNull(seconds({ above: 0 })), null),
  /** How long a task may run before its `signal` is aborted; `null`: no limit. */
  taskSoftTimeLimit: field(orNull(seconds({ above: 0 })), null),
  /** The rate limit, in each worker, of tasks without their own: `'10/m'`, or a number of starts per second. */
  taskDefaultRateLimit: field(rate, null),
  /** Ignore rate limits. Default `false`. */
  workerDisableRateLimits: field(flag, false),
  /** Limits of queues in all workers together: `{ mails: { rateLimit: '100/m', concurrency: 5 } }`. */
  queueLimits: field(orNull(queueLimits), null),
  /** The priority of calls that set none; `null`: Celery's 0. With a name (`'normal'`), calls may use names too. */
  taskDefaultPriority: field(orNull(priority), null),
  /**
   * The calls of a task and the steps after it (except a chord's body) have its priority, unless the call, its route or its task has
   * one. Default `false`.
   */
  taskInheritParentPriority: field(flag, false),
  /** Run calls in this process instead of sending them. For tests. Default `false`. */
  taskAlwaysEager: field(flag, false),
  /** With `taskAlwaysEager`: `delay` throws the error of the task. Default `false`. */
  taskEagerPropagates: field(flag, false),
  /** How long results are kept; `null`: for ever. Default 86400 s. */
  resultExpires: field(orNull(seconds({ above: 0 })), 86_400),
  /** Keep name, arguments, worker, retries and queue with the result. Default `false`. */
  resultExtended: field(flag, false),
  /**
   * Milliseconds that a worker waits before it repeats a refused write of a result: random, and doubled each time. It repeats until it
   * succeeds. Default `50`.
   */
  resultBackendBaseSleepBetweenRetriesMs: field(sleepMs, 50),
  /** The longest of these waits, in milliseconds. Default `5000`. */
  resultBackendMaxSleepBetweenRetriesMs: field(sleepMs, 5000),
  /** The time zone of crontabs without their own. Default `UTC`. */
  timezone: field(timezone, 'UTC', { nullMeansUnset: true }),
  /** Modules that define tasks, for the command line to import. */
  include: field(texts, Object.freeze([])),
  /** Tasks at a time. Celery's default is the number of processors. Default `8`. */
  workerConcurrency: field(integer(1, 100_000), 8, { nullMeansUnset: true }),
  /** The pool in which tasks run: see the guide to workers. Celery's `prefork` is `processes`. Default `async`. */
  workerPool: field(pool, 'async'),
  /** Instead of `workerConcurrency`: between `min` and `max` tasks at a time, by load. */
  workerAutoscale: field(orNull(autoscale), null),
  /** A child of the pools `threads` and `processes` is replaced after this number of tasks; `null`: no limit. */
  workerMaxTasksPerChild: field(orNull(count), null),
  /** A child of the pool `processes` is replaced if it uses more KiB than this after a task; `null`: no limit. */
  workerMaxMemoryPerChild: field(orNull(count), null),
  /**
   * How many messages a worker holds for each of its slots. With 1 it claims only messages that it can run at once. A higher value
   * saves round trips to a distant broker. Default `1`.
   */
  workerPrefetchMultiplier: field(integer(1, 1000), 1),
  /** How long a worker may be silent before other workers get its tasks. Default 15 s. */
  workerLease: field(seconds({ from: 1 }), 15),
  /**
   * How long a task may block the event loop of a worker before the worker kills itself. Its tasks come back as after any crash, and a
   * task that blocks repeatedly becomes a dead letter. 0: never; the worker only warns, after 10 s. Default 0 s.
   */
  workerMaxBlocked: field(seconds({ from: 0 }), 0),
  /** After this number of crashes of its workers a message becomes a dead letter. Default `5`. */
  workerMaxDeliveries: field(integer(1, 1_000_000), 5),
  /** How long a message of an unknown task waits for a worker that knows it. Default 60 s. */
  workerUnknownTaskGrace: field(seconds({ from: 0 }), 60),
  /** How long a warm shutdown waits for running tasks; `null`: until they end. */
  workerShutdownTimeout: field(orNull(seconds({ from: 0 })), null),
  /** How long a soft shutdown waits for running tasks before it turns cold; 0: there is no soft shutdown. Default 0 s. */
  workerSoftShutdownTimeout: field(seconds({ from: 0 }), 0),
  /** Send task events, like the worker's `-E`. They can be switched on at run time. Default `false`. */
  workerSendTaskEvents: field(flag, false),
  /** Workers listen to `inspect` and `control`. Default `true`. */
  workerEnableRemoteControl: field(flag, true),
  /** Each worker also serves its own queue, so that a task can be sent to this worker: see {@link workerDirect}. Default `false`. */
  workerDirect: field(flag, false),
  /**
   * The format of log lines of `umbel worker` and `umbel beat`, in Python's form: `[%(asctime)s: %(levelname)s] %(message)s`. `null`,
   * or Celery's own format: the default form.
   */
  workerLogFormat: field(logFormat(celeryLogFormat), null),
  /** The same for lines of a task's code, with `%(task_id)s` and `%(task_name)s`. */
  workerTaskLogFormat: field(logFormat(celeryTaskLogFormat), null),
  /** `false`: no colours; `null` and `true`: on a terminal. */
  workerLogColor: field(orNull(flag), null),
  /** Send an event `task-sent` for each call. Default `false`. */
  taskSendSentEvent: field(flag, false),
  /**
   * The exchange of remote control is `<this>.pidbox`. It must be the same in all programs that exchange such messages. Default
   * `celery`.
   */
  controlExchange: field(name, 'celery'),
  /** The exchange of events. It must be the same in all programs that exchange such messages. Default `celeryev`. */
  eventExchange: field(name, 'celeryev'),
  /** The prefix of the queues of event listeners. Default `celeryev`. */
  eventQueuePrefix: field(name, 'celeryev'),
  /** The largest message, in bytes. Default `10485760`. */
  maxMessageSize: field(integer(1024, defaultLimits.maxSize), defaultLimits.maxSize),
  /** The scheduled tasks: see the guide to scheduling. */
  beatSchedule: field(orNull(beatSchedule), null),
  /** URL of the store of schedules (`sqlite://`, `redis://`, `postgresql://`); `null`: the broker's, else the backend's. */
  beatStore: field(orNull(text), null),
  /**
   * Whether this program, which sends or runs tasks, writes what happens to them for `umbel recorder`. `auto`: if a recorder has registered with
   * the broker; its registration ends a week after it was last seen. Default `auto`.
   */
  taskHistory: field(oneOf('auto', 'always', 'off'), 'auto'),
  /**
   * How many entries, about 1 kB each (on RabbitMQ up to 4 kB), wait in the broker for a recorder that is away; of more, the oldest are dropped.
   * `null`: 1,000,000, on Redis 200,000, on RabbitMQ 250,000.
   */
  taskHistoryLimit: field(orNull(integer(1_000, Number.MAX_SAFE_INTEGER)), null),
  /** URL of the history of tasks that `umbel recorder` writes (`sqlite://`, `postgresql://`); `null`: a file beside the embedded store, else `.umbel/history.db`. */
  historyStore: field(orNull(text), null, { variables: ['UMBEL_HISTORY_STORE'] }),
};

const rows = new Map<string, Field<unknown>>(Object.entries(settings));

/** Celery's name of a setting. */
export function celeryNameOf(name: string): string {
  return rows.get(name)?.notes.celery ?? snake(name);
}

/** The environment variables of a setting. The first that is set wins. */
export function variablesOf(name: string): readonly string[] {
  return rows.get(name)?.notes.variables ?? [];
}
