// The options of a worker, completed by the settings of its application.
import { fileURLToPath } from 'node:url';
import type { App } from '../app/app.ts';
import { checkLimits } from '../config/config.ts';
import { workerDirect } from '../config/queues.ts';
import type { Autoscale } from '../config/worker-settings.ts';
import { ConfigError } from '../errors.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { type Read, readOptions } from '../lib/schema.ts';
import { nodeName } from './node-name.ts';
import { type WorkerOptions, workerOptions } from './options.ts';
import { tolerantLogger } from './tolerant-logger.ts';

type AsRead = Read<typeof workerOptions>;

/** The options, complete and checked. */
export interface ResolvedWorkerOptions
  extends Omit<AsRead, 'lease' | 'shutdownTimeout' | 'softShutdownTimeout'> {
  readonly queues: readonly string[];
  /** The queues were chosen for this worker; otherwise they are the App's. */
  readonly queuesChosen: boolean;
  readonly concurrency: number;
  readonly name: string;
  readonly logger: Logger;
  readonly leaseMs: number;
  readonly shutdownTimeoutMs: number | null;
  /** 0: none. */
  readonly softShutdownTimeoutMs: number;
  /** Bytes. */
  readonly maxMemoryPerChild: number | null;
  readonly autoscale: Autoscale | null;
  readonly remoteControl: boolean;
  readonly clock: Clock;
}

/** @throws UnknownOptionError, ConfigError. */
export function resolveWorkerOptions(
  { config, topology }: Pick<App, 'config' | 'topology'>,
  options: WorkerOptions,
): ResolvedWorkerOptions {
  const where = 'the options of Worker';
  const { lease, shutdownTimeout, softShutdownTimeout, ...read } = readOptions(
    workerOptions,
    options,
    where,
    config,
  );
  const { pool, module, logger, maxMemoryPerChild: kib } = read;
  const standard = topology.named.length > 0 ? topology.named : [config.taskDefaultQueue];
  const queues = [...new Set(read.queues ?? standard)];
  for (const queue of queues) topology.queue(queue); // throws if it may not be used
  if ((pool === 'threads' || pool === 'processes') && module === null) {
    throw new ConfigError(
      `the pool '${pool}' loads the application again where its tasks run: say from where, { pool: '${pool}', module: import.meta.url } in the module that exports the App`,
    );
  }
  checkLimits(where, read.timeLimit, read.softTimeLimit);
  const name = nodeName(read.name ?? undefined);
  // A concurrency of this worker takes precedence over bounds for all workers.
  const bounds = read.autoscale ?? (read.concurrency === null ? config.workerAutoscale : null);
  const autoscale = pool === 'solo' ? null : bounds;
  return {
    ...read,
    queues: config.workerDirect ? [...new Set([...queues, workerDirect(name)])] : queues,
    queuesChosen: read.queues !== null,
    concurrency: pool === 'solo' ? 1 : (autoscale?.min ?? read.concurrency ?? config.workerConcurrency),
    name,
    logger: logger === null ? silentLogger : tolerantLogger(logger),
    leaseMs: lease * 1000,
    shutdownTimeoutMs: shutdownTimeout === null ? null : shutdownTimeout * 1000,
    softShutdownTimeoutMs: softShutdownTimeout * 1000,
    module: module?.startsWith('file:') ? fileURLToPath(module) : module,
    autoscale,
    remoteControl: config.workerEnableRemoteControl,
    maxMemoryPerChild: kib === null ? null : kib * 1024,
    clock: read.clock ?? systemClock,
  };
}
