import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AppOptions, type Environment, resolveConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/errors.ts';

const nothing: Environment = {};

/** As a JavaScript program could give them, without the compiler's help. */
function resolve(
  options: Record<string, unknown>,
  environment: Environment = nothing,
): ReturnType<typeof resolveConfig> {
  return resolveConfig(options as AppOptions, environment); // what is tested is what the compiler would refuse
}

describe('the settings', () => {
  it('have every default when nothing is said', () => {
    expect(resolveConfig({}, nothing)).toEqual({
      broker: 'sqlite://.umbel/store.db',
      backend: 'sqlite://.umbel/store.db',
      brokerFailoverStrategy: null,
      brokerConnectionTimeout: null,
      beatSchedule: null,
      beatStore: null,
      historyStore: null,
      brokerHeartbeat: null,
      brokerUseSsl: null,
      brokerTransportOptions: {},
      resultBackendTransportOptions: {},
      redisBackendUseSsl: null,
      redisSocketTimeout: null,
      redisSocketConnectTimeout: null,
      taskQueues: null,
      taskDefaultQueue: 'celery',
      taskDefaultExchange: null,
      taskDefaultExchangeType: 'direct',
      taskDefaultRoutingKey: null,
      taskDefaultQueueType: 'classic',
      taskCreateMissingQueues: true,
      taskCreateMissingQueueType: 'classic',
      taskQueueMaxPriority: null,
      taskPublishTimeout: 10,
      taskRoutes: null,
      taskSerializer: 'json',
      taskCompression: null,
      acceptContent: ['json'],
      acceptCompression: ['gzip', 'brotli', 'zstd'],
      taskIgnoreResult: false,
      taskStoreErrorsEvenIfIgnored: false,
      taskAcksLate: true,
      taskAcksOnFailure: true,
      taskAcksOnFailureOrTimeout: true,
      taskAcksOnTimeout: true,
      taskRejectOnWorkerLost: true,
      taskTrackStarted: false,
      taskTimeLimit: null,
      taskSoftTimeLimit: null,
      taskDefaultRateLimit: null,
      workerDisableRateLimits: false,
      queueLimits: null,
      taskDefaultPriority: null,
      taskAlwaysEager: false,
      taskEagerPropagates: false,
      taskHistory: 'auto',
      taskHistoryLimit: null,
      resultExpires: 86_400,
      resultExtended: false,
      resultBackendBaseSleepBetweenRetriesMs: 50,
      resultBackendMaxSleepBetweenRetriesMs: 5000,
      timezone: 'UTC',
      include: [],
      workerConcurrency: 8,
      workerPool: 'async',
      workerAutoscale: null,
      workerMaxTasksPerChild: null,
      workerMaxMemoryPerChild: null,
      workerLease: 15,
      workerMaxBlocked: 0,
      taskInheritParentPriority: false,
      controlExchange: 'celery',
      eventExchange: 'celeryev',
      eventQueuePrefix: 'celeryev',
      workerPrefetchMultiplier: 1,
      workerMaxDeliveries: 5,
      workerUnknownTaskGrace: 60,
      workerShutdownTimeout: null,
      workerSoftShutdownTimeout: 0,
      workerSendTaskEvents: false,
      workerEnableRemoteControl: true,
      workerDirect: false,
      workerLogFormat: null,
      workerTaskLogFormat: null,
      workerLogColor: null,
      taskSendSentEvent: false,
      maxMessageSize: 10_485_760,
    });
  });

  it('cannot be changed afterwards', () => {
    const config = resolveConfig({ include: ['./a.ts'] }, nothing);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.include)).toBe(true);
  });

  it('are the same in our spelling and in Celery’s', () => {
    const ours = resolveConfig(
      {
        broker: 'memory://a',
        backend: null,
        taskDefaultQueue: 'q',
        taskTimeLimit: 30,
        workerConcurrency: 3,
        acceptContent: ['json', 'yaml'],
      },
      nothing,
    );
    const celerys = resolveConfig(
      {
        broker_url: 'memory://a',
        result_backend: null,
        task_default_queue: 'q',
        task_time_limit: 30,
        worker_concurrency: 3,
        accept_content: ['application/json', 'yaml'],
      },
      nothing,
    );
    expect(celerys).toEqual(ours);
  });

  it('take durations as text, and are seconds then', () => {
    const config = resolveConfig(
      { resultExpires: '2h', taskTimeLimit: '1m', taskSoftTimeLimit: '500ms', workerShutdownTimeout: 0 },
      nothing,
    );
    expect(config).toMatchObject({
      resultExpires: 7200,
      taskTimeLimit: 60,
      taskSoftTimeLimit: 0.5,
      workerShutdownTimeout: 0,
    });
  });

  it.each([
    [
      'an option goes before every variable',
      { broker: 'memory://o' },
      { UMBEL_BROKER_URL: 'memory://u', CELERY_BROKER_URL: 'memory://c' },
      'memory://o',
    ],
    [
      'ours goes before Celery’s',
      {},
      { UMBEL_BROKER_URL: 'memory://u', CELERY_BROKER_URL: 'memory://c' },
      'memory://u',
    ],
    ['Celery’s goes before the default', {}, { CELERY_BROKER_URL: 'memory://c' }, 'memory://c'],
    ['an empty one is none', {}, { UMBEL_BROKER_URL: '', CELERY_BROKER_URL: '' }, 'sqlite://.umbel/store.db'],
    [
      'a URL may name another variable, as in a file for Docker Compose',
      {},
      { CELERY_BROKER_URL: `redis://:\${REDIS_PASSWORD}@redis:6379/0`, REDIS_PASSWORD: 'supersecret' },
      'redis://:supersecret@redis:6379/0',
    ],
    [
      'a password may not: it is as it is',
      { broker: 'redis://redis' },
      { UMBEL_BROKER_PASSWORD: `\${HOME}`, HOME: '/root' },
      'redis://:%24%7BHOME%7D@redis',
    ],
    [
      'an option that is undefined is none',
      { broker: undefined },
      { UMBEL_BROKER_URL: 'memory://u' },
      'memory://u',
    ],
  ])('come from the environment: %s', (_, options, environment, broker) => {
    expect(resolve(options, environment).broker).toBe(broker);
  });

  it('refuse a URL that names a variable that is not set', () => {
    expect(() => resolve({}, { CELERY_BROKER_URL: `redis://:\${REDIS_PASSWORD}@redis` })).toThrow(
      'CELERY_BROKER_URL names the variable REDIS_PASSWORD, which is not set',
    );
  });

  it.each([
    ['the backend is the broker’s store', { broker: 'sqlite:///x.db' }, {}, 'sqlite:///x.db'],
    [
      'null means no results',
      { broker: 'sqlite:///x.db', backend: null },
      { UMBEL_RESULT_BACKEND: 'memory://r' },
      null,
    ],
    ["'disabled' means no results", { backend: 'disabled' }, {}, null],
    [
      'a variable says it',
      { broker: 'sqlite:///x.db' },
      { CELERY_RESULT_BACKEND: 'memory://r' },
      'memory://r',
    ],
    [
      'our variable goes before Celery’s',
      { broker: 'sqlite:///x.db' },
      { UMBEL_RESULT_BACKEND: 'memory://u', CELERY_RESULT_BACKEND: 'memory://c' },
      'memory://u',
    ],
  ])('say where results are kept: %s', (_, options, environment, backend) => {
    expect(resolve(options, environment).backend).toBe(backend);
  });

  it('give each application a memory of its own, which its broker and its results share', () => {
    const one = resolveConfig({ broker: 'memory://' }, nothing);
    const other = resolveConfig({ broker: 'memory://', backend: 'memory://' }, nothing);
    expect(one.broker).toMatch(/^memory:\/\/.+/);
    expect(one.backend).toBe(one.broker);
    expect(other.backend).toBe(other.broker);
    expect(other.broker).not.toBe(one.broker);
    expect(resolveConfig({ broker: 'memory://shared' }, nothing).broker).toBe('memory://shared');
  });

  it.each([
    [{ taskDefaultQueu: 'q' }, "unknown setting 'taskDefaultQueu'; did you mean 'taskDefaultQueue'?"],
    [{ task_default_queu: 'q' }, "unknown setting 'task_default_queu'; did you mean 'task_default_queue'?"],
    [{ nonsense: 1 }, "unknown setting 'nonsense'"],
    [{ broker: 'kafka://host' }, "broker: 'kafka://' is unknown; there are sqlite://, redis://, amqp://"],
    [{ broker: ['redis://a', 'redsi://:pw@b'] }, "broker: 'redsi://' is unknown"],
    [{ backend: 'mongodb://host' }, "backend: 'mongodb://' is unknown"],
    [{ beat_logfile: 'x' }, "'beat_logfile' of Celery is not supported; remove it"],
    [{ beat_scheduler: 'x' }, "the setting 'beat_scheduler' is not used here: schedules are kept in a store"],
    [{ redis_max_connections: 3 }, "'redis_max_connections' is not used here"],
    [{ imports: ['a'] }, "use 'include'"],
    [{ enable_utc: false }, "'enable_utc' can only be true"],
    [{ taskDefaultQueue: 'a', task_default_queue: 'b' }, 'are the same setting and have different values'],
    [{ broker: 'memory://a', broker_url: 'memory://b' }, "'broker' and 'broker_url' are the same setting"],
    [{ workerConcurrency: 0 }, "'workerConcurrency' must be a whole number from 1"],
    [{ worker_concurrency: 2.5 }, "'worker_concurrency' must be a whole number"],
    [{ taskAcksLate: 'yes' }, "'taskAcksLate' must be true or false"],
    [{ broker: '' }, "'broker' must be a URL, or a list of URLs, not empty text"],
    [{ taskTimeLimit: 0 }, "'taskTimeLimit' must be a duration above 0"],
    [{ taskTimeLimit: '5 minutes' }, "must be seconds or text like '500ms'"],
    [{ taskTimeLimit: 5, taskSoftTimeLimit: 6 }, 'the soft time limit (6 s) is above the hard one (5 s)'],
    [{ taskSerializer: 'pickle' }, "'pickle' is not supported"],
    [{ acceptContent: ['pickle'] }, "'pickle' is not supported"],
    [{ acceptContent: [] }, 'no message could be read'],
    [{ acceptCompression: ['lzma'] }, "the compression 'lzma' cannot be read"],
    [{ acceptCompression: ['bzib2'] }, "did you mean 'bzip2'?"],
    [{ taskSerializer: 'raw' }, 'cannot carry arguments'],
    [{ taskCompression: 'zlip' }, "unknown compression 'zlip'; did you mean 'zlib'?"],
    [{ timezone: 'Mars/Base' }, "'timezone' must be the name of a time zone"],
    [{ taskRoutes: 5 }, 'taskRoutes must be an object'],
    [
      { taskRoutes: { a: { queu: 'b' } } },
      "unknown option 'queu' in the route of 'a'; did you mean 'queue'?",
    ],
    [{ worker_log_format: '%(asctime)s %(mesage)s' }, "did you mean '%(message)s'?"],
    [{ worker_log_format: '%(lineno)d' }, "'%(lineno)s' is not known here"],
    [{ worker_task_log_format: '100%' }, "'worker_task_log_format': a '%' that begins no field"],
    [{ result_backend_max_retries: 3 }, 'retries each refused write of a result'],
    [{ result_backend_always_retry: 1 }, "'result_backend_always_retry' can only be true here"],
    [{ result_backend_base_sleep_between_retries_ms: 0 }, 'must be a whole number from 1'],
    [{ taskDefaultPriority: 256 }, "'taskDefaultPriority' must be a whole number from 0 to 255"],
  ])('refuse %j', (options, message) => {
    expect(() => resolve(options)).toThrow(message);
  });

  it('accept what Celery configurations often say and what is so here anyway', () => {
    expect(() =>
      resolve({ enable_utc: true, task_protocol: 2, broker_connection_retry_on_startup: true }),
    ).not.toThrow();
    expect(() => resolve({ taskDefaultQueue: 'a', task_default_queue: 'a', include: ['x'] })).not.toThrow();
  });

  it('take those of Celery for the retries of the result backend', () => {
    const celerys = {
      result_backend_always_retry: true,
      result_backend_max_retries: Number.POSITIVE_INFINITY,
      result_backend_base_sleep_between_retries_ms: 10,
      result_backend_max_sleep_between_retries_ms: 10_000,
    };
    expect(resolve(celerys)).toMatchObject({
      resultBackendBaseSleepBetweenRetriesMs: 10,
      resultBackendMaxSleepBetweenRetriesMs: 10_000,
    });
  });

  it('never show a URL, which may hold a password, in an error', () => {
    expect.assertions(2);
    try {
      resolve({ workerConcurrency: 'redis://:secret@host' });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(String(error)).not.toContain('secret');
    }
  });

  it('are all in the documentation', () => {
    const root = new URL('../../docs/', import.meta.url);
    const pages = (readdirSync(root, { recursive: true }) as string[]).filter((page) => page.endsWith('.md'));
    const text = pages.map((page) => readFileSync(new URL(page, root), 'utf8')).join('');
    expect(Object.keys(resolveConfig()).filter((name) => !text.includes(name))).toEqual([]);
  });
});
