import { fileURLToPath } from 'node:url';
import type { App } from '../app/app.ts';
import { checkLimits } from '../config/config.ts';
import { workerDirect } from '../config/queues.ts';
import { type Autoscale, checkAutoscale, type PoolName, poolNamed } from '../config/worker-settings.ts';
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { type Duration, toMs, toSeconds } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { suggest } from '../lib/suggest.ts';
import type { HealthOptions } from './health.ts';
import { nodeName } from './node-name.ts';
import { TolerantLogger } from './tolerant-logger.ts';

export interface WorkerOptions {
  /** The queues that it serves; default: the application's `taskQueues`, else its `taskDefaultQueue`. */
  readonly queues?: readonly string[];
  /** Tasks at a time; default `workerAutoscale` if that is set, else `workerConcurrency`. */
  readonly concurrency?: number;
  /** Its name among all workers, with `%h`, `%n`, `%d` for host with domain, host, and domain; default `celery@%h`. */
  readonly name?: string;
  /** Where it says what it does; default: nowhere. A pino logger is one. */
  readonly logger?: Logger;
  /** Hard limit of tasks that have none of their own; default `taskTimeLimit`. */
  readonly timeLimit?: Duration;
  /** Soft limit of tasks that have none of their own; default `taskSoftTimeLimit`. */
  readonly softTimeLimit?: Duration;
  /** How long a warm shutdown waits for running tasks before it turns cold; default `workerShutdownTimeout`. */
  readonly shutdownTimeout?: Duration | null;
  /** How long a soft shutdown (the second signal, SIGQUIT) waits for running tasks; 0: there is none; default `workerSoftShutdownTimeout`. */
  readonly softShutdownTimeout?: Duration;
  /**
   * Where tasks run; default `workerPool`: `async` in the worker's event loop, `solo` there, one at a time; `threads` and `processes` in one
   * of `concurrency` of those each, where hard time limits end any code.
   */
  readonly pool?: PoolName;
  /** For the pools `threads` and `processes`, which load the application again: the module that exports it, `import.meta.url` or as `-A` names it. */
  readonly module?: string;
  /** A child of such a pool is replaced after so many tasks; default `workerMaxTasksPerChild`. */
  readonly maxTasksPerChild?: number;
  /** A child process is replaced when it takes more KiB after a task (as in Celery); default `workerMaxMemoryPerChild`. */
  readonly maxMemoryPerChild?: number;
  /** Instead of `concurrency`: between `min` and `max` tasks at a time, as there is work; default `workerAutoscale`. */
  readonly autoscale?: Autoscale;
  /** For probes: a port that says whether it lives and is ready, a file whose time moves. Default: neither. */
  readonly health?: HealthOptions;
  /** Tell what happens to tasks (`-E`); default `workerSendTaskEvents`. It can be switched while the worker runs. */
  readonly taskEvents?: boolean;
  /** For tests that move the time. */
  readonly clock?: Clock;
}

/** The options, complete and checked. */
export interface ResolvedWorkerOptions {
  readonly queues: readonly string[];
  /** Somebody has said which, instead of the App. */
  readonly queuesChosen: boolean;
  readonly concurrency: number;
  readonly name: string;
  readonly logger: Logger;
  /** Seconds; undefined: as configured. */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  readonly shutdownTimeoutMs: number | null;
  /** 0: none. */
  readonly softShutdownTimeoutMs: number;
  readonly pool: PoolName;
  /** As `-A` names it. */
  readonly module: string | null;
  readonly maxTasksPerChild: number | null;
  /** Bytes. */
  readonly maxMemoryPerChild: number | null;
  readonly autoscale: Autoscale | null;
  readonly health: HealthOptions;
  readonly taskEvents: boolean;
  readonly remoteControl: boolean;
  readonly clock: Clock;
}

const known = [
  'queues',
  'concurrency',
  'name',
  'logger',
  'timeLimit',
  'softTimeLimit',
  'shutdownTimeout',
  'softShutdownTimeout',
  'pool',
  'module',
  'maxTasksPerChild',
  'maxMemoryPerChild',
  'autoscale',
  'health',
  'taskEvents',
  'clock',
];

/** @internal @throws UnknownOptionError, ConfigError. */
export function resolveWorkerOptions(
  { config, topology }: Pick<App, 'config' | 'topology'>,
  options: WorkerOptions,
): ResolvedWorkerOptions {
  for (const option of Object.keys(options)) {
    if (!known.includes(option))
      throw new UnknownOptionError(option, 'the options of Worker', suggest(option, known));
  }
  const standard = topology.named.length > 0 ? topology.named : [config.taskDefaultQueue];
  const queues = [...new Set(options.queues ?? standard)];
  if (queues.length === 0 || queues.some((queue) => typeof queue !== 'string' || queue === '')) {
    throw new ConfigError("queues must be a list of one or more names, like ['celery', 'slow']");
  }
  for (const queue of queues) topology.queue(queue); // says so if it may not be used
  const name = nodeName(options.name);
  const pool = options.pool === undefined ? config.workerPool : poolNamed(options.pool);
  if ((pool === 'threads' || pool === 'processes') && options.module === undefined) {
    throw new ConfigError(
      `the pool '${pool}' loads the application again where its tasks run: say from where, { pool: '${pool}', module: import.meta.url } in the module that exports the App`,
    );
  }
  const autoscale = autoscaleOf(options, config.workerAutoscale);
  const concurrency =
    pool === 'solo' ? 1 : (autoscale?.min ?? options.concurrency ?? config.workerConcurrency);
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new ConfigError(`concurrency must be a whole number above 0, not ${String(concurrency)}`);
  }
  const timeLimit = limit('timeLimit', options.timeLimit);
  const softTimeLimit = limit('softTimeLimit', options.softTimeLimit);
  checkLimits('the options of Worker', timeLimit ?? null, softTimeLimit ?? null);
  const shutdownTimeout =
    options.shutdownTimeout === undefined ? config.workerShutdownTimeout : options.shutdownTimeout;
  return {
    queues: config.workerDirect ? [...new Set([...queues, workerDirect(name)])] : queues,
    queuesChosen: options.queues !== undefined,
    concurrency,
    name,
    logger: options.logger === undefined ? silentLogger : new TolerantLogger(options.logger),
    timeLimit,
    softTimeLimit,
    shutdownTimeoutMs: shutdownTimeout === null ? null : toMs(shutdownTimeout, 'shutdownTimeout'),
    softShutdownTimeoutMs: toMs(
      options.softShutdownTimeout ?? config.workerSoftShutdownTimeout,
      'softShutdownTimeout',
    ),
    pool,
    module: options.module?.startsWith('file:') ? fileURLToPath(options.module) : (options.module ?? null),
    autoscale: pool === 'solo' ? null : autoscale,
    health: options.health ?? {},
    taskEvents: options.taskEvents ?? config.workerSendTaskEvents,
    remoteControl: config.workerEnableRemoteControl,
    maxTasksPerChild: count('maxTasksPerChild', options.maxTasksPerChild ?? config.workerMaxTasksPerChild),
    maxMemoryPerChild: timesKiB(
      count('maxMemoryPerChild', options.maxMemoryPerChild ?? config.workerMaxMemoryPerChild),
    ),
    clock: options.clock ?? systemClock,
  };
}

function count(name: string, given: number | null): number | null {
  if (given === null) return null;
  if (Number.isInteger(given) && given > 0) return given;
  throw new ConfigError(`${name} must be a whole number above 0, not ${String(given)}`);
}

/** A number of places that is said to this worker goes before the bounds that are said for all. */
function autoscaleOf(
  { autoscale, concurrency }: WorkerOptions,
  configured: Autoscale | null,
): Autoscale | null {
  if (autoscale !== undefined) return checkAutoscale(autoscale);
  return concurrency === undefined ? configured : null;
}

function timesKiB(kib: number | null): number | null {
  return kib === null ? null : kib * 1024;
}

function limit(name: string, given: Duration | undefined): number | undefined {
  if (given === undefined) return undefined;
  const seconds = toSeconds(given, name);
  if (seconds > 0) return seconds;
  throw new ConfigError(`${name} must be a duration above 0 (seconds, or text like '10m')`);
}
