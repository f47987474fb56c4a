// The settings of an application: what they are, what they are when nothing is said, and how they are read.

import { randomUUID } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { type Duration, toSeconds } from '../lib/duration.ts';
import { celeryLogFormat, celeryTaskLogFormat, logFormatter } from '../lib/log-format.ts';
import { readableCompression, standardCompressions } from '../protocol/compression.ts';
import { defaultLimits } from '../protocol/limits.ts';
import { serializerNamed } from '../protocol/serializers.ts';
import type { DecodeTaskOptions } from '../protocol/task.ts';
import { storeNamed, storeOf } from '../stores/registry.ts';
import type { ExchangeType } from '../stores/topology.ts';
import type { BeatSchedule } from './beat-schedule.ts';
import { checkCompression, checkName, checkSerializer } from './checks.ts';
import { camelOptions, tlsOptions } from './driver-options.ts';
import { type QueueLimits, readQueueLimits } from './limit-options.ts';
import { checkPriority, type Priority } from './priority.ts';
import { type Queues, readExchangeType, Topology } from './queues.ts';
import { parseRate, type Rate } from './rate.ts';
import { Router, type Routes } from './router.ts';
import { type CelerySpelling, settingNamed } from './settings.ts';
import { type Autoscale, checkAutoscale, type PoolName, poolNamed } from './worker-settings.ts';

/** The settings as one may give them. Durations are seconds, or text like `'10m'`. */
export interface Settings {
  /**
   * URL of the broker; default `sqlite://.umbel/store.db`. Several (a list, or one text with `;` between them) are tried in
   * turn. Celery's `broker_url`.
   */
  readonly broker: string | readonly string[];
  /** URL of the result backend; default: the broker's store. `null`: results are not kept. Celery's `result_backend`. */
  readonly backend: string | null;
  /** Which of several brokers is next: the following (`round-robin`, the default) or any (`shuffle`). */
  readonly brokerFailoverStrategy: 'round-robin' | 'shuffle' | null;
  /** How long one attempt to connect may take; `null`: as the driver has it. */
  readonly brokerConnectionTimeout: Duration | null;
  /** RabbitMQ: how often both sides show that they live; 0: never; `null`: as the driver has it. */
  readonly brokerHeartbeat: Duration | null;
  /** TLS: true, or its files (`{ caCerts, certfile, keyfile }`); a URL with `rediss://` or `amqps://` says so, too. */
  readonly brokerUseSsl: TlsOptions | boolean | null;
  /** Options of the broker's driver, see the guide to transports. */
  readonly brokerTransportOptions: Readonly<Record<string, unknown>>;
  /** Options of the result backend's driver. */
  readonly resultBackendTransportOptions: Readonly<Record<string, unknown>>;
  /** As `brokerUseSsl`, for results in Redis. */
  readonly redisBackendUseSsl: TlsOptions | boolean | null;
  readonly redisSocketTimeout: Duration | null;
  readonly redisSocketConnectTimeout: Duration | null;
  /** The queues, and the exchanges that lead to them. A worker serves these if it is not told otherwise. */
  readonly taskQueues: Queues | null;
  readonly taskDefaultQueue: string;
  /** Default: that of the queue's name. */
  readonly taskDefaultExchange: string | null;
  readonly taskDefaultExchangeType: ExchangeType;
  /** Default: the queue's name. */
  readonly taskDefaultRoutingKey: string | null;
  /** RabbitMQ: what kind of queue `taskDefaultQueue` is. */
  readonly taskDefaultQueueType: 'classic' | 'quorum';
  /** May calls go to queues that `taskQueues` does not name? Default true. */
  readonly taskCreateMissingQueues: boolean;
  /** RabbitMQ: what kind of queues those are. */
  readonly taskCreateMissingQueueType: 'classic' | 'quorum';
  /** RabbitMQ: `x-max-priority` of all queues that have none of their own. Without it a queue there knows no priorities. */
  readonly taskQueueMaxPriority: number | null;
  /** How long a send may take, trying again included; default 10 s, `null` = as its `retryPolicy` and `signal` say. */
  readonly taskPublishTimeout: Duration | null;
  /** Which calls go where; see the guide. */
  readonly taskRoutes: Routes | null;
  /** `json`, `yaml`, `msgpack`. */
  readonly taskSerializer: string;
  /** `zlib`, `brotli` … */
  readonly taskCompression: string | null;
  /** The serializers that a worker reads. */
  readonly acceptContent: readonly string[];
  /**
   * The compressions of bodies that a worker reads; default `gzip` (kombu's name for zlib), `brotli`, `zstd`. `bzip2` is read where it is
   * named: up to 1 MiB, which takes half a second.
   */
  readonly acceptCompression: readonly string[];
  readonly taskIgnoreResult: boolean;
  readonly taskStoreErrorsEvenIfIgnored: boolean;
  /** Acknowledge after the run. True; Celery's default is false, which loses what a dying worker held. */
  readonly taskAcksLate: boolean;
  /** False: the messages of failed tasks go to the dead letters. True; default `taskAcksOnFailureOrTimeout`. */
  readonly taskAcksOnFailure: boolean;
  /** False: tasks that exceed their hard time limit are run again, `workerMaxDeliveries` times at most. True; default `taskAcksOnFailureOrTimeout`. */
  readonly taskAcksOnTimeout: boolean;
  /** Celery's older name for both. */
  readonly taskAcksOnFailureOrTimeout: boolean;
  /** False: tasks whose pool process dies have failed. Default true, unlike Celery's: they are run again. */
  readonly taskRejectOnWorkerLost: boolean;
  readonly taskTrackStarted: boolean;
  readonly taskTimeLimit: Duration | null;
  readonly taskSoftTimeLimit: Duration | null;
  /** How often the tasks of one name may start in a worker, if they say nothing themselves: `'10/m'`, or so many in a second. */
  readonly taskDefaultRateLimit: Rate | null;
  readonly workerDisableRateLimits: boolean;
  /** Limits of queues in all workers together: `{ mails: { rateLimit: '100/m', concurrency: 5 } }`. */
  readonly queueLimits: QueueLimits | null;
  /** The priority of calls that set none; `null`: Celery's 0. With a name (`'normal'`), calls may give theirs by name. */
  readonly taskDefaultPriority: Priority | null;
  /** Calls that a task sends, and what follows it, have its priority unless they, their route or their task say another. Default false. */
  readonly taskInheritParentPriority: boolean;
  /** Run calls here and now instead of sending them. For tests. */
  readonly taskAlwaysEager: boolean;
  /** With it: what a task throws, `delay` throws. */
  readonly taskEagerPropagates: boolean;
  /** How long results are kept; `null` = for ever. */
  readonly resultExpires: Duration | null;
  /** Keep name, arguments, worker, retries and queue with the result. */
  readonly resultExtended: boolean;
  /** How long a worker waits, in milliseconds, before it tries again what its result backend has refused. Twice as long each time; at random. Default 50. */
  readonly resultBackendBaseSleepBetweenRetriesMs: number;
  /** The longest such wait, milliseconds. Default 5000. */
  readonly resultBackendMaxSleepBetweenRetriesMs: number;
  readonly timezone: string;
  /** Modules that define tasks, for the command line to import. */
  readonly include: readonly string[];
  /** Tasks at a time. Default 8. */
  readonly workerConcurrency: number;
  /** Where tasks run: `async` (default), `solo`, `threads`, `processes`; Celery's `prefork` is `processes`. */
  readonly workerPool: PoolName | 'prefork';
  /** Instead of `workerConcurrency`: between `min` and `max` tasks at a time, as there is work. Default null. */
  readonly workerAutoscale: Autoscale | null;
  /** A child of the pools `threads` and `processes` is replaced after so many tasks. Default null: never for that. */
  readonly workerMaxTasksPerChild: number | null;
  /** A child of the pool `processes` is replaced when it takes more KiB after a task. Default null: never for that. */
  readonly workerMaxMemoryPerChild: number | null;
  /**
   * How many messages a worker holds for each of its slots. Default 1: it takes what it can run at once, and leaves the rest to others. More saves round
   * trips to a broker far away.
   */
  readonly workerPrefetchMultiplier: number;
  /** How long a worker may be silent before its tasks are given to others. Default 15 s. */
  readonly workerLease: Duration;
  /**
   * How long a worker's event loop may be blocked by a task that computes, before the worker kills itself: its tasks come back as after any
   * crash, and the one that does it again and again ends as a dead letter. Default 0: never; it only warns, after 10 s.
   */
  readonly workerMaxBlocked: Duration;
  /** After so many workers have died of a message it is put into the dead-letter store. Default 5. */
  readonly workerMaxDeliveries: number;
  /** How long a message of an unknown task waits for a worker that knows it. Default 60 s. */
  readonly workerUnknownTaskGrace: Duration;
  /** How long a warm shutdown waits for running tasks; `null` = until they end. */
  readonly workerShutdownTimeout: Duration | null;
  /** How long a soft shutdown waits for running tasks before it turns cold; 0 (default): there is no soft shutdown. */
  readonly workerSoftShutdownTimeout: Duration;
  /** Tell what happens to tasks, as the worker's `-E` does. Default false: it can be switched on while workers run. */
  readonly workerSendTaskEvents: boolean;
  /** Workers listen to `inspect` and `control`. Default true. */
  readonly workerEnableRemoteControl: boolean;
  /** Each worker serves a queue of its own, too, so that a task can be sent to it alone: see {@link workerDirect}. Default false. */
  readonly workerDirect: boolean;
  /**
   * How `umbel worker` and `umbel beat` write a line of their log, in Python's form: `[%(asctime)s: %(levelname)s] %(message)s`. Null, or
   * Celery's own format: as they do without it.
   */
  readonly workerLogFormat: string | null;
  /** The same of what the code of a task logs; `%(task_id)s` and `%(task_name)s` say of which. */
  readonly workerTaskLogFormat: string | null;
  /** False: no colours; null, and true: on a terminal. */
  readonly workerLogColor: boolean | null;
  /** Tell of each call that it was sent. */
  readonly taskSendSentEvent: boolean;
  /** The exchange of remote control is `<this>.pidbox`. Default `celery`. The same for all programs that are to hear each other. */
  readonly controlExchange: string;
  /** The exchange of events. Default `celeryev`. */
  readonly eventExchange: string;
  /** What the queues of those who listen to events begin with. Default `celeryev`. */
  readonly eventQueuePrefix: string;
  /** Bytes of one message. Default 10 MiB. */
  readonly maxMessageSize: number;
  /** What is sent by itself, and when; see the guide to scheduling. */
  readonly beatSchedule: BeatSchedule | null;
  /** URL of the store of schedules (`sqlite://`, `redis://`, `postgresql://`); default: the broker's, else the backend's. */
  readonly beatStore: string | null;
}

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

/** Options of `new App(name, options)`: any of the {@link Settings}, in our spelling or Celery's (`task_default_queue`). */
export type AppOptions = Partial<Settings> & CelerySpelling<Settings>;

/** The settings, complete, checked, and frozen. Durations are seconds. */
export interface Config extends Settings {
  /** Several with `;` between them. */
  readonly broker: string;
  readonly brokerConnectionTimeout: number | null;
  readonly brokerHeartbeat: number | null;
  readonly redisSocketTimeout: number | null;
  readonly redisSocketConnectTimeout: number | null;
  readonly taskPublishTimeout: number | null;
  readonly taskTimeLimit: number | null;
  readonly taskSoftTimeLimit: number | null;
  /** Starts in a second. */
  readonly taskDefaultRateLimit: number | null;
  readonly resultExpires: number | null;
  readonly workerPool: PoolName;
  readonly workerLease: number;
  readonly workerMaxBlocked: number;
  readonly workerUnknownTaskGrace: number;
  readonly workerShutdownTimeout: number | null;
  readonly workerSoftShutdownTimeout: number;
}

/** What is read of a message. */
export function decodeOptions(config: Config): Required<DecodeTaskOptions> {
  const { acceptContent: accept, acceptCompression, maxMessageSize: maxSize } = config;
  return { accept, acceptCompression, maxSize };
}

/** Beyond an hour nobody would tell a worker that waits from one that has given up. */
const longestSleepMs = 3_600_000;

/** Environment variables, as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings: what is given, else the environment (`UMBEL_BROKER_URL`, `UMBEL_RESULT_BACKEND`, then
 * `CELERY_BROKER_URL`, `CELERY_RESULT_BACKEND`), else the defaults.
 * @throws ConfigError for what is unknown, not supported, contradictory or out of range.
 */
export function resolveConfig(options: AppOptions = {}, environment: Environment = process.env): Config {
  const given = new Reader(options);
  const broker = privateMemory(
    given.urls(
      'broker',
      environment.UMBEL_BROKER_URL || environment.CELERY_BROKER_URL || 'sqlite://.umbel/store.db',
    ),
  );
  checkAlternatives(broker);
  for (const url of broker.split(';')) storeOf(url, 'broker');
  const either = given.flag('taskAcksOnFailureOrTimeout', true);
  const config: Config = {
    broker,
    backend: backendUrl(
      given.textOrNull(
        'backend',
        environment.UMBEL_RESULT_BACKEND ||
          environment.CELERY_RESULT_BACKEND ||
          (keepsResults(broker) ? broker : null),
      ),
      broker,
    ),
    brokerFailoverStrategy: given.choice('brokerFailoverStrategy', ['round-robin', 'shuffle', null], null),
    brokerConnectionTimeout: given.seconds('brokerConnectionTimeout', null),
    brokerHeartbeat: given.seconds('brokerHeartbeat', null, { zero: true }),
    brokerUseSsl: given.tls('brokerUseSsl'),
    brokerTransportOptions: given.options('brokerTransportOptions'),
    resultBackendTransportOptions: given.options('resultBackendTransportOptions'),
    redisBackendUseSsl: given.tls('redisBackendUseSsl'),
    redisSocketTimeout: given.seconds('redisSocketTimeout', null),
    redisSocketConnectTimeout: given.seconds('redisSocketConnectTimeout', null),
    taskQueues: given.queues('taskQueues'),
    taskDefaultQueue: given.name('taskDefaultQueue', 'celery'),
    taskDefaultExchange: given.name('taskDefaultExchange', null),
    taskDefaultExchangeType: given.exchangeType('taskDefaultExchangeType'),
    taskDefaultRoutingKey: given.name('taskDefaultRoutingKey', null),
    taskDefaultQueueType: given.choice('taskDefaultQueueType', ['classic', 'quorum'], 'classic'),
    taskCreateMissingQueues: given.flag('taskCreateMissingQueues', true),
    taskCreateMissingQueueType: given.choice('taskCreateMissingQueueType', ['classic', 'quorum'], 'classic'),
    taskQueueMaxPriority: given.integerOrNull('taskQueueMaxPriority', 1, 255, null),
    taskPublishTimeout: given.seconds('taskPublishTimeout', 10),
    taskRoutes: given.routes('taskRoutes'),
    taskSerializer: given.serializer('taskSerializer'),
    taskCompression: checkCompression(given.textOrNull('taskCompression', null), 'the configuration'),
    acceptContent: given.serializers('acceptContent', ['json']),
    acceptCompression: Object.freeze(
      given.texts('acceptCompression', standardCompressions).map(readableCompression),
    ),
    taskIgnoreResult: given.flag('taskIgnoreResult', false),
    taskStoreErrorsEvenIfIgnored: given.flag('taskStoreErrorsEvenIfIgnored', false),
    taskAcksLate: given.flag('taskAcksLate', true),
    taskAcksOnFailureOrTimeout: either,
    taskAcksOnFailure: given.flag('taskAcksOnFailure', either),
    taskAcksOnTimeout: given.flag('taskAcksOnTimeout', either),
    taskRejectOnWorkerLost: given.flag('taskRejectOnWorkerLost', true),
    taskTrackStarted: given.flag('taskTrackStarted', false),
    taskTimeLimit: given.seconds('taskTimeLimit', null),
    taskSoftTimeLimit: given.seconds('taskSoftTimeLimit', null),
    taskDefaultRateLimit: given.rate('taskDefaultRateLimit'),
    workerDisableRateLimits: given.flag('workerDisableRateLimits', false),
    queueLimits: given.queueLimits('queueLimits'),
    taskDefaultPriority: given.priority('taskDefaultPriority'),
    taskInheritParentPriority: given.flag('taskInheritParentPriority', false),
    taskAlwaysEager: given.flag('taskAlwaysEager', false),
    taskEagerPropagates: given.flag('taskEagerPropagates', false),
    resultExpires: given.seconds('resultExpires', 86_400),
    resultExtended: given.flag('resultExtended', false),
    resultBackendBaseSleepBetweenRetriesMs: given.integer(
      'resultBackendBaseSleepBetweenRetriesMs',
      1,
      longestSleepMs,
      50,
    ),
    resultBackendMaxSleepBetweenRetriesMs: given.integer(
      'resultBackendMaxSleepBetweenRetriesMs',
      1,
      longestSleepMs,
      5000,
    ),
    timezone: given.timezone('timezone', 'UTC'),
    include: given.texts('include', []),
    workerConcurrency: given.integer('workerConcurrency', 1, 100_000, 8),
    workerPool: given.pool('workerPool', 'async'),
    workerAutoscale: given.autoscale('workerAutoscale'),
    workerMaxTasksPerChild: given.integerOrNull('workerMaxTasksPerChild', 1, Number.MAX_SAFE_INTEGER, null),
    workerMaxMemoryPerChild: given.integerOrNull('workerMaxMemoryPerChild', 1, Number.MAX_SAFE_INTEGER, null),
    workerPrefetchMultiplier: given.integer('workerPrefetchMultiplier', 1, 1000, 1),
    workerLease: given.secondsAbove('workerLease', 1, 15),
    workerMaxBlocked: given.secondsAbove('workerMaxBlocked', 0, 0),
    workerMaxDeliveries: given.integer('workerMaxDeliveries', 1, 1_000_000, 5),
    workerUnknownTaskGrace: given.secondsAbove('workerUnknownTaskGrace', 0, 60),
    workerShutdownTimeout: given.seconds('workerShutdownTimeout', null, { zero: true }),
    workerSoftShutdownTimeout: given.secondsAbove('workerSoftShutdownTimeout', 0, 0),
    workerSendTaskEvents: given.flag('workerSendTaskEvents', false),
    workerEnableRemoteControl: given.flag('workerEnableRemoteControl', true),
    workerDirect: given.flag('workerDirect', false),
    workerLogFormat: given.logFormat('workerLogFormat', celeryLogFormat),
    workerTaskLogFormat: given.logFormat('workerTaskLogFormat', celeryTaskLogFormat),
    workerLogColor: given.choice('workerLogColor', [true, false, null], null),
    controlExchange: checkName(given.text('controlExchange', 'celery'), 'controlExchange'),
    eventExchange: checkName(given.text('eventExchange', 'celeryev'), 'eventExchange'),
    eventQueuePrefix: checkName(given.text('eventQueuePrefix', 'celeryev'), 'eventQueuePrefix'),
    taskSendSentEvent: given.flag('taskSendSentEvent', false),
    maxMessageSize: given.integer('maxMessageSize', 1024, defaultLimits.maxSize, defaultLimits.maxSize),
    beatSchedule: given.beatSchedule('beatSchedule'),
    beatStore: given.textOrNull('beatStore', null),
  };
  checkLimits('the configuration', config.taskTimeLimit, config.taskSoftTimeLimit);
  new Topology(config.taskQueues, config); // says what is wrong with the queues
  return Object.freeze(config);
}

/** @throws ConfigError when the soft limit would never be reached. */
export function checkLimits(where: string, hard: number | null, soft: number | null): void {
  if (hard !== null && soft !== null && soft > hard) {
    throw new ConfigError(
      `${where}: the soft time limit (${soft} s) is above the hard one (${hard} s); lower it or raise the hard one`,
    );
  }
}

/** `memory://` without a name is private: a name that nobody else has. */
function privateMemory(url: string): string {
  return isBareMemory(url) ? `memory://${randomUUID()}` : url;
}

function backendUrl(url: string | null, broker: string): string | null {
  if (url === null || url === 'disabled' || url === 'disabled://') return null;
  storeOf(url, 'backend');
  if (!isBareMemory(url)) return url;
  return storeNamed(broker)?.name === 'memory' ? broker : privateMemory(url);
}

function isBareMemory(url: string): boolean {
  return url === 'memory://' || url === 'memory:///';
}

/** Brokers whose store keeps results as well. */
function keepsResults(broker: string): boolean {
  return storeNamed(broker)?.openBackend !== undefined;
}

/** One store has one place; brokers on a network may stand in for each other. */
function checkAlternatives(broker: string): void {
  if (broker.includes(';') && broker.split(';').some((url) => storeNamed(url)?.embedded))
    throw new ConfigError('broker: several URLs are for brokers on a network; an embedded store is one');
}

/** Reads one setting after another, and says what is wrong by its name. */
class Reader {
  readonly #given = new Map<keyof Settings, { readonly value: unknown; readonly spelled: string }>();

  constructor(options: object) {
    for (const [spelled, value] of Object.entries(options)) {
      const name = settingNamed(spelled, value);
      if (value === undefined || name === null) continue;
      const before = this.#given.get(name);
      if (before !== undefined && !isSame(before.value, value)) {
        throw new ConfigError(
          `'${before.spelled}' and '${spelled}' are the same setting and have different values; remove one`,
        );
      }
      this.#given.set(name, { value, spelled });
    }
  }

  text(name: keyof Settings, standard: string): string {
    return this.#read(name, standard, 'text that is not empty', (value) =>
      typeof value === 'string' && value.trim() !== '' ? value : undefined,
    );
  }

  textOrNull(name: keyof Settings, standard: string | null): string | null {
    return this.#read(name, standard, 'text that is not empty, or null', (value) =>
      value === null || (typeof value === 'string' && value.trim() !== '') ? value : undefined,
    );
  }

  /** One, or several as one text with `;` between them. */
  urls(name: keyof Settings, standard: string): string {
    return this.#read(name, standard, 'a URL, or a list of URLs', (value) => {
      const urls = (Array.isArray(value) ? value : [value]) as readonly unknown[]; // looked at one by one
      const texts = urls.filter((url): url is string => typeof url === 'string' && url.trim() !== '');
      return texts.length > 0 && texts.length === urls.length ? texts.join(';') : undefined;
    });
  }

  name(name: keyof Settings, standard: string): string;
  name(name: keyof Settings, standard: string | null): string | null;
  name(name: keyof Settings, standard: string | null): string | null {
    const value = this.textOrNull(name, standard) ?? standard;
    return value === null ? null : checkName(value, `'${this.#spelled(name)}'`);
  }

  /** Null: Celery's own, which says nothing here. */
  logFormat(name: keyof Settings, celerys: string): string | null {
    const format = this.textOrNull(name, null);
    if (format === null || format === celerys) return null;
    logFormatter(format, `'${this.#spelled(name)}'`); // says what is wrong with it
    return format;
  }

  choice<T extends string | boolean | null>(name: keyof Settings, choices: readonly T[], standard: T): T {
    const all = choices
      .map((choice) => (typeof choice === 'string' ? `'${choice}'` : String(choice)))
      .join(' or ');
    return this.#read(name, standard, all, (value) => choices.find((choice) => choice === value));
  }

  exchangeType(name: keyof Settings): ExchangeType {
    const value = this.#given.get(name)?.value ?? 'direct';
    return readExchangeType(value, `'${this.#spelled(name)}'`);
  }

  priority(name: keyof Settings): Priority | null {
    const value = this.#given.get(name)?.value ?? null;
    return value === null ? null : checkPriority(value, `'${this.#spelled(name)}'`);
  }

  /** In a second. */
  rate(name: keyof Settings): number | null {
    const value = this.#given.get(name)?.value ?? null;
    if (value !== null && typeof value !== 'string' && typeof value !== 'number')
      throw new ConfigError(`'${this.#spelled(name)}' must be a rate like '10/m'`);
    return parseRate(value, `'${this.#spelled(name)}'`);
  }

  pool(name: keyof Settings, standard: PoolName): PoolName {
    const value = this.#given.get(name)?.value;
    return value === undefined ? standard : poolNamed(value);
  }

  autoscale(name: keyof Settings): Autoscale | null {
    const value = this.#given.get(name)?.value ?? null;
    return value === null ? null : checkAutoscale(value, `'${this.#spelled(name)}'`);
  }

  queueLimits(name: keyof Settings): QueueLimits | null {
    const value = this.#given.get(name)?.value ?? null;
    const limits = value as QueueLimits | null; // unknown until it has been read
    readQueueLimits(limits);
    return limits;
  }

  queues(name: keyof Settings): Queues | null {
    const value = this.#given.get(name)?.value ?? null;
    return value as Queues | null; // unknown until the topology has read it, which it does with every check
  }

  /** What is in it is read by the application, which knows where each entry goes. */
  beatSchedule(name: keyof Settings): BeatSchedule | null {
    return this.#read(name, null, 'an object with an entry for each name', (value) =>
      value === null || isRecord(value) ? (value as BeatSchedule | null) : undefined,
    );
  }

  /** Python's names in it become ours. */
  options(name: keyof Settings): Readonly<Record<string, unknown>> {
    return this.#read(name, Object.freeze({}), 'an object with options', (value) =>
      isRecord(value) ? Object.freeze(camelOptions(value)) : undefined,
    );
  }

  tls(name: keyof Settings): TlsOptions | boolean | null {
    return this.#read(name, null, 'true, false, or an object like { caCerts: file }', (value) => {
      if (value === null || typeof value === 'boolean') return value;
      return isRecord(value) ? Object.freeze(tlsOptions(value)) : undefined;
    });
  }

  texts(name: keyof Settings, standard: readonly string[]): readonly string[] {
    return this.#read(name, standard, 'a list of texts', (value) =>
      Array.isArray(value) && value.every((item): item is string => typeof item === 'string')
        ? Object.freeze([...value])
        : undefined,
    );
  }

  serializer(name: keyof Settings): string {
    return checkSerializer(this.text(name, 'json'), `'${this.#spelled(name)}'`);
  }

  serializers(name: keyof Settings, standard: readonly string[]): readonly string[] {
    const names = this.texts(name, standard).map(serializerNamed);
    if (names.length === 0)
      throw new ConfigError(
        `'${this.#spelled(name)}' is empty: no message could be read; the default is ['json']`,
      );
    return Object.freeze(names);
  }

  flag(name: keyof Settings, standard: boolean): boolean {
    return this.#read(name, standard, 'true or false', (value) =>
      typeof value === 'boolean' ? value : undefined,
    );
  }

  integer(name: keyof Settings, low: number, high: number, standard: number): number {
    return this.#read(name, standard, `a whole number from ${low} to ${high}`, (value) =>
      asInteger(value, low, high),
    );
  }

  integerOrNull(name: keyof Settings, low: number, high: number, standard: number | null): number | null {
    return this.#read(name, standard, `a whole number from ${low} to ${high}, or null`, (value) =>
      value === null ? null : asInteger(value, low, high),
    );
  }

  /** Above 0, or null; 0 only where it means "at once". */
  seconds(
    name: keyof Settings,
    standard: number | null,
    { zero = false }: { readonly zero?: boolean } = {},
  ): number | null {
    return this.#read(
      name,
      standard,
      `a duration ${zero ? 'from' : 'above'} 0 (seconds, or text like '10m'), or null`,
      (value) => {
        if (value === null) return null;
        const seconds = asSeconds(value, this.#spelled(name));
        return seconds !== undefined && (seconds > 0 || (zero && seconds === 0)) ? seconds : undefined;
      },
    );
  }

  secondsAbove(name: keyof Settings, low: number, standard: number): number {
    return this.#read(
      name,
      standard,
      `a duration of at least ${low} s (seconds, or text like '10m')`,
      (value) => {
        const seconds = asSeconds(value, this.#spelled(name));
        return seconds !== undefined && seconds >= low ? seconds : undefined;
      },
    );
  }

  timezone(name: keyof Settings, standard: string): string {
    return this.#read(name, standard, "the name of a time zone ('Europe/Berlin')", (value) =>
      isTimezone(value) ? value : undefined,
    );
  }

  routes(name: keyof Settings): Routes | null {
    const value = this.#given.get(name)?.value ?? null;
    if (value === null) return null;
    const routes = value as Routes; // unknown until the router has read it, which it does with every check
    new Router(routes);
    return routes;
  }

  #read<T>(
    name: keyof Settings,
    standard: T,
    expected: string,
    accept: (value: unknown) => T | undefined,
  ): T {
    const given = this.#given.get(name);
    if (given === undefined) return standard;
    const accepted = accept(given.value);
    if (accepted === undefined)
      throw new ConfigError(`'${given.spelled}' must be ${expected}, not ${shown(given.value)}`);
    return accepted;
  }

  #spelled(name: keyof Settings): string {
    return this.#given.get(name)?.spelled ?? name;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function asInteger(value: unknown, low: number, high: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
    ? value
    : undefined;
}

function asSeconds(value: unknown, what: string): number | undefined {
  return typeof value === 'number' || typeof value === 'string' ? toSeconds(value, what) : undefined;
}

function isTimezone(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}

function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  return (
    Array.isArray(one) &&
    Array.isArray(other) &&
    one.length === other.length &&
    one.every((item, index) => Object.is(item, other[index]))
  );
}

/** URLs can hold passwords: text is not shown. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value.trim() === '' ? 'empty text' : 'this text';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}
