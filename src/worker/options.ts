import type { App } from '../app/app.ts';
import { checkLimits } from '../app/config.ts';
import { ConfigError, UnknownOptionError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { type Duration, toMs, toSeconds } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { suggest } from '../lib/suggest.ts';
import { nodeName } from './node-name.ts';
import { TolerantLogger } from './tolerant-logger.ts';

export interface WorkerOptions {
  /** The queues that it serves; default: the application's `taskQueues`, else its `taskDefaultQueue`. */
  readonly queues?: readonly string[];
  /** Tasks at a time; default `workerConcurrency`. */
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
  /** For tests that move the time. */
  readonly clock?: Clock;
}

/** The options, complete and checked. */
export interface ResolvedWorkerOptions {
  readonly queues: readonly string[];
  readonly concurrency: number;
  readonly name: string;
  readonly logger: Logger;
  /** Seconds; undefined: as configured. */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  readonly shutdownTimeoutMs: number | null;
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
  'clock',
];

/** @throws UnknownOptionError, ConfigError. */
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
  const concurrency = options.concurrency ?? config.workerConcurrency;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new ConfigError(`concurrency must be a whole number above 0, not ${String(concurrency)}`);
  }
  const timeLimit = limit('timeLimit', options.timeLimit);
  const softTimeLimit = limit('softTimeLimit', options.softTimeLimit);
  checkLimits('the options of Worker', timeLimit ?? null, softTimeLimit ?? null);
  const shutdownTimeout =
    options.shutdownTimeout === undefined ? config.workerShutdownTimeout : options.shutdownTimeout;
  return {
    queues,
    concurrency,
    name: nodeName(options.name),
    logger: options.logger === undefined ? silentLogger : new TolerantLogger(options.logger),
    timeLimit,
    softTimeLimit,
    shutdownTimeoutMs: shutdownTimeout === null ? null : toMs(shutdownTimeout, 'shutdownTimeout'),
    clock: options.clock ?? systemClock,
  };
}

function limit(name: string, given: Duration | undefined): number | undefined {
  if (given === undefined) return undefined;
  const seconds = toSeconds(given, name);
  if (seconds > 0) return seconds;
  throw new ConfigError(`${name} must be a duration above 0 (seconds, or text like '10m')`);
}
