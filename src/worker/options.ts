// The options of a worker, one row each, with their flags of `umbel worker`.
import type { Config } from '../config/config.ts';
import { autoscale, pool } from '../config/worker-settings.ts';
import type { HealthOptions } from '../http/health.ts';
import {
  asGiven,
  check,
  count,
  flag,
  flagged,
  optional,
  orNull,
  seconds,
  text,
  texts,
} from '../lib/checks.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { field, type Options, SameAs } from '../lib/schema.ts';

const setting = <Name extends keyof Config>(name: Name) => new SameAs<Config[Name]>(name);

const queues = check<readonly string[]>(
  "a list of one or more names, like ['celery', 'slow']",
  (value, what) => {
    const names = texts.accept(value, what);
    return names === undefined || names.length === 0 || names.includes('') ? undefined : names;
  },
);

export const workerOptions = {
  /** The queues that it serves; default: the application's `taskQueues`, else its `taskDefaultQueue`. */
  queues: optional(queues),
  /** Tasks at a time; default `workerAutoscale` if that is set, else `workerConcurrency`. */
  concurrency: optional(flagged(count, '-c, --concurrency <number>', 'Tasks at a time.')),
  /** Instead of `concurrency`: between `min` and `max` tasks at a time, as there is work; default `workerAutoscale`. */
  autoscale: optional(
    flagged(
      autoscale,
      '--autoscale <max,min>',
      'Between min and max tasks at a time, by load; instead of -c.',
    ),
  ),
  /** Its name among all workers, with `%h`, `%n`, `%d` for host with domain, host, and domain; default `celery@%h`. */
  name: optional(
    flagged(
      text,
      '-n, --hostname <name>',
      'Name of the worker: name@%h (%h host with domain, %n host, %d domain).',
    ),
  ),
  /** The logger; default: no logging. A pino logger is one. */
  logger: optional(asGiven<Logger>('a logger')),
  /**
   * Where tasks run; default `workerPool`. `async`: in the worker's event loop. `solo`: there, one at a time. `threads`, `processes`: in as many
   * threads or processes as `concurrency`; there hard time limits end any code.
   */
  pool: field(
    flagged(pool, '-P, --pool <pool>', 'Where tasks run: async, solo, threads, processes (prefork).'),
    setting('workerPool'),
  ),
  /** The module that exports the application, as `import.meta.url` or as `-A` names it. The pools `threads` and `processes` load it again. */
  module: optional(text),
  /** A child of such a pool is replaced after this number of tasks; default `workerMaxTasksPerChild`. */
  maxTasksPerChild: field(
    flagged(
      orNull(count),
      '--max-tasks-per-child <number>',
      'Replace a process or thread after this number of tasks.',
    ),
    setting('workerMaxTasksPerChild'),
  ),
  /** A child process is replaced when it takes more KiB than this after a task (as in Celery); default `workerMaxMemoryPerChild`. */
  maxMemoryPerChild: field(
    flagged(
      orNull(count),
      '--max-memory-per-child <KiB>',
      'Replace a process that uses more memory, after its task.',
    ),
    setting('workerMaxMemoryPerChild'),
  ),
  /** Send task events (`-E`); default `workerSendTaskEvents`. Can be switched while the worker runs. */
  taskEvents: field(
    flagged(flag, '-E, --task-events', 'Send task events (umbel events, Flower).'),
    setting('workerSendTaskEvents'),
  ),
  /** For probes: a port that tells whether the worker lives and is ready; a file that is touched regularly. Default: neither. */
  health: field(asGiven<HealthOptions>('an object like { port: 8080 }'), Object.freeze({})),
  /** Hard limit of tasks that have none of their own; default `taskTimeLimit`. */
  timeLimit: optional(
    flagged(seconds({ above: 0 }), '--time-limit <duration>', 'Hard time limit of tasks without their own.'),
  ),
  /** Soft limit of tasks that have none of their own; default `taskSoftTimeLimit`. */
  softTimeLimit: optional(
    flagged(
      seconds({ above: 0 }),
      '--soft-time-limit <duration>',
      'Soft time limit of tasks without their own.',
    ),
  ),
  /** After this time without a sign of life, other workers get its tasks; default `workerLease`. */
  lease: field(
    flagged(
      seconds({ from: 1 }),
      '--lease <duration>',
      'After this time without a sign of life, other workers get its tasks.',
    ),
    setting('workerLease'),
  ),
  /** How long a warm shutdown waits for running tasks before it turns cold; default `workerShutdownTimeout`. */
  shutdownTimeout: field(
    flagged(
      orNull(seconds({ from: 0 })),
      '--shutdown-timeout <duration>',
      'After this time a warm shutdown returns running tasks to the queue.',
    ),
    setting('workerShutdownTimeout'),
  ),
  /** How long a soft shutdown (the second signal, SIGQUIT) waits for running tasks; 0: there is none; default `workerSoftShutdownTimeout`. */
  softShutdownTimeout: field(
    flagged(
      seconds({ from: 0 }),
      '--soft-shutdown-timeout <duration>',
      'After a second signal, or SIGQUIT, running tasks have this time before they are returned to the queue.',
    ),
    setting('workerSoftShutdownTimeout'),
  ),
  /** For tests with a fake clock. */
  clock: optional(asGiven<Clock>('a clock')),
};

/** Options of `new Worker`. What is left out is taken from the application's settings. */
export interface WorkerOptions extends Options<typeof workerOptions> {}
