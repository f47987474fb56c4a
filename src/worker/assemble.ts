// The parts of a worker, put together: who knows whom is said here, and nothing is started but the pool.

import type { App } from '../app/app.ts';
import type { StoreLostError } from '../errors.ts';
import type { ConsumeOptions, Consumer } from '../stores/transport.ts';
import type { Arrived } from './arrival.ts';
import { Autoscaler } from './autoscale.ts';
import { Broadcasts, type partedQueues } from './broadcasts.ts';
import { ClusterLimits } from './cluster-limits.ts';
import { ClaimLoop } from './consumer.ts';
import { EventLoopMonitor } from './event-loop-monitor.ts';
import { Operations } from './operations.ts';
import type { ResolvedWorkerOptions } from './options.ts';
import { Patience } from './patience.ts';
import { makePool } from './pools/make.ts';
import type { Pool } from './pools/pool.ts';
import { Processor } from './process.ts';
import { Records } from './records.ts';
import { Settler } from './settler.ts';
import type { ShutdownParts } from './shutdown.ts';
import { Slots } from './slots.ts';
import { Sources } from './sources.ts';
import { Standstill } from './standstill.ts';
import { Turnstile } from './turnstile.ts';

export interface Parts extends ShutdownParts {
  readonly source: Sources;
  readonly pool: Pool;
  readonly operations: Operations;
  readonly standstill: Standstill;
  readonly eventLoop: EventLoopMonitor;
  readonly ear: Broadcasts;
  readonly cluster: ClusterLimits;
  readonly turnstile: Turnstile | null;
  /** Time limits of tasks that have none of their own, seconds. */
  readonly limits: { readonly soft: number | undefined; readonly hard: number | undefined };
}

/** Where a worker listens. */
interface Places extends ReturnType<typeof partedQueues> {
  readonly consuming: ConsumeOptions;
}

/** What the parts may ask of their worker. */
interface WorkerHandle {
  resize(concurrency: number): void;
  /** The store is gone for good. */
  onLost(error: StoreLostError): void;
}

/** @throws PoolError when the pool cannot start, ConfigError when nobody can keep a limit: then it has left the broker. */
export async function assemble(
  app: App,
  options: ResolvedWorkerOptions,
  { queues, broadcasts, consuming }: Places,
  { stores, source: first, deafen }: Arrived,
  { resize, onLost }: WorkerHandle,
): Promise<Parts> {
  const { transport, backend } = stores;
  const { name, concurrency, autoscale, logger, clock, timeLimit, softTimeLimit } = options;
  const { taskEvents, remoteControl } = options;
  const { leaseMs } = consuming;
  const operations = new Operations({ app, name, transport, taskEvents, remoteControl, clock, logger });
  const open = (others: readonly string[]): Promise<Consumer> =>
    transport.consume({ ...consuming, queues: others });
  const source = new Sources({ first, queues, open, clock, logger });
  const patience = new Patience(clock, logger);
  const { resultBackendBaseSleepBetweenRetriesMs: factor, resultBackendMaxSleepBetweenRetriesMs: maximum } =
    app.config;
  const settler = new Settler(transport, backend, patience, { factor, maximum, jitter: true });
  const pool = makePool(options, stores);
  let cluster: ClusterLimits;
  try {
    cluster = new ClusterLimits({ app, name, transport, backend, settler, leaseMs, clock, logger });
    await pool.start();
  } catch (error) {
    deafen();
    await source.close();
    throw error;
  }
  const { workerPrefetchMultiplier: multiplier } = app.config;
  const slots = new Slots(concurrency, multiplier);
  const turnstile = multiplier === 1 ? null : new Turnstile(concurrency);
  const records = new Records({ worker: name, extended: app.config.resultExtended, clock });
  const limits = { soft: softTimeLimit, hard: timeLimit };
  const standstill = new Standstill(clock, leaseMs);
  const maxBlockedMs = app.config.workerMaxBlocked * 1000;
  const eventLoop = new EventLoopMonitor({ name, logger, maxBlockedMs, clock });
  const processor = new Processor({
    app,
    name,
    backend,
    slots,
    turnstile,
    settler,
    records,
    pool,
    cluster,
    ...operations.rules,
    standstill,
    eventLoop,
    limits,
    clock,
    logger,
  });
  source.watch(() => processor.active.inHand);
  const loop = new ClaimLoop({ source, slots, processor, clock, logger, onLost });
  const ear = new Broadcasts({ transport, broadcasts, slots, processor, clock, logger });
  const scaler = autoscale && new Autoscaler({ ...autoscale, slots, clock, logger, resize });
  return {
    transport,
    source,
    slots,
    patience,
    processor,
    pool,
    loop,
    ear,
    scaler,
    deafen,
    operations,
    cluster,
    turnstile,
    standstill,
    eventLoop,
    limits,
  };
}
