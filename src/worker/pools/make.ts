import type { LogLevel } from '../../lib/logger.ts';
import type { Stores } from '../../sending/sending-app.ts';
import type { ResolvedWorkerOptions } from '../resolve-options.ts';
import { asyncPool } from './async.ts';
import { ChildPool } from './child-pool.ts';
import type { Pool } from './pool.ts';
import { spawnProcess, spawnThread } from './spawn.ts';

/** Makes the pool that a worker's options ask for. It is not started. */
export function makePool(options: ResolvedWorkerOptions, stores: Stores): Pool {
  const { pool, module, concurrency, logger, clock, maxTasksPerChild, maxMemoryPerChild } = options;
  if (pool === 'async' || pool === 'solo' || module === null)
    return asyncPool(pool === 'solo' ? 'solo' : 'async');
  const { transport, backend } = stores;
  return new ChildPool({
    name: pool,
    spawn: pool === 'threads' ? spawnThread : spawnProcess,
    size: concurrency,
    data: {
      module,
      folder: process.cwd(),
      hostname: options.name,
      weighs: maxMemoryPerChild !== null,
      logs: levels.filter((level) => logger.isLevelEnabled?.(level) ?? true),
      stores: {
        transport: { name: transport.name, features: transport.features },
        backend: backend && {
          name: backend.name,
          features: backend.features,
          sameStore: backend.store === transport.store,
          repliesTo: backend.replyTo !== undefined,
        },
      },
    },
    stores,
    maxTasksPerChild,
    maxMemoryPerChild,
    logger,
    clock,
  });
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
