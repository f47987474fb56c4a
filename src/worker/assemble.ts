// Makes the parts of a worker and connects them with each other. Nothing is started but the pool.
import type { App } from '../app/app.ts';
import type { StoreLostError } from '../errors.ts';
import type { ConsumeOptions, Consumer } from '../stores/transport.ts';
import { ActiveTasks } from './active-tasks.ts';
import { Admission } from './admission/admission.ts';
import { admissionChecks } from './admission/checks.ts';
import { DuplicateGuard } from './admission/duplicate-guard.ts';
import { Autoscaler } from './autoscale.ts';
import { Broadcasts, partedQueues } from './broadcasts.ts';
import { ClaimLoop } from './claim-loop.ts';
import { ClusterLimits } from './cluster-limits.ts';
import { type ConnectedStores, connectStores } from './connect-stores.ts';
import { Decider } from './decider.ts';
import { decoder } from './decode.ts';
import { EventLoopMonitor } from './event-loop-monitor.ts';
import { Executor } from './executor.ts';
import { taskHooks } from './hooks.ts';
import type { WorkerMetrics } from './metrics.ts';
import { Operations } from './operations.ts';
import { Pauses, queuesIn } from './pauses.ts';
import { makePool } from './pools/make.ts';
import type { Pool } from './pools/pool.ts';
import { PrefetchGate } from './prefetch-gate.ts';
import { Processor } from './process.ts';
import { Records } from './records.ts';
import { Rejections } from './rejections.ts';
import { Reporter } from './reporter.ts';
import type { ResolvedWorkerOptions } from './resolve-options.ts';
import { Retrier } from './retrier.ts';
import { Settler } from './settler.ts';
import type { ShutdownParts } from './shutdown.ts';
import { Slots } from './slots.ts';
import { Sources } from './sources.ts';
import { StallDetector } from './stall-detector.ts';
import { TaskStates } from './task-states.ts';
import { WorkflowSettler } from './workflow-settler.ts';

/** The parts' view of their worker. */
interface WorkerHandle {
  /** Aborted when the worker is told to stop. */
  readonly leaving: AbortSignal;
  /** Null: nobody asks for them. */
  readonly metrics: WorkerMetrics | null;
  resize(concurrency: number): void;
  /** The store is gone for good. */
  onLost(error: StoreLostError): void;
}

/** The parts that the worker starts, stops and shows. */
export interface Parts extends ShutdownParts {
  readonly sources: Sources;
  readonly pool: Pool;
  readonly active: ActiveTasks;
  readonly broadcastConsumer: Broadcasts;
  readonly operations: Operations;
  readonly pauses: Pauses;
  readonly stallDetector: StallDetector;
  readonly eventLoop: EventLoopMonitor;
  readonly cluster: ClusterLimits;
  /** Time limits of tasks that have none of their own, seconds. */
  readonly limits: { readonly soft: number | null; readonly hard: number | null };
}

/**
 * Resolves when the stores are open and the pool runs; null: the worker was told to stop meanwhile.
 * @throws the stores' error, when waiting would not help; PoolError when the pool cannot start; ConfigError when no store can keep a limit.
 * After an error the worker has left the broker.
 */
export async function assemble(
  app: App,
  options: ResolvedWorkerOptions,
  handle: WorkerHandle,
): Promise<Parts | null> {
  const { name, concurrency, autoscale, leaseMs, logger, clock } = options;
  const { queues, broadcasts } = partedQueues(app, options.queues);
  let parts: Parts | null = null;
  const consuming: ConsumeOptions = {
    queues,
    name,
    leaseMs,
    slots: (autoscale?.max ?? concurrency) * app.config.workerPrefetchMultiplier,
    onEarly: (message, queue) => parts?.operations.deferred.early(message, queue) ?? false,
    onTrouble: (trouble) => {
      if (trouble === null) logger.info({}, 'the broker works again');
      else logger.error({ trouble }, trouble);
    },
  };
  const connected = await connectStores(app, consuming, { clock, logger, signal: handle.leaving });
  if (connected === null) return null;
  try {
    const made = wire(app, options, { consuming, broadcasts, connected, handle });
    await made.pool.start();
    parts = made;
    return made;
  } catch (error) {
    connected.unsubscribe();
    await connected.source.close();
    throw error;
  }
}

/** The queues that a worker serves. */
interface WiringParts extends Pick<ReturnType<typeof partedQueues>, 'broadcasts'> {
  readonly consuming: ConsumeOptions;
  readonly connected: ConnectedStores;
  readonly handle: WorkerHandle;
}

function wire(
  app: App,
  options: ResolvedWorkerOptions,
  { consuming, broadcasts, connected, handle }: WiringParts,
): Parts {
  const { stores, source: first, pauseStore, paused, unsubscribe } = connected;
  const { transport, backend } = stores;
  const { config } = app;
  const { name, concurrency, autoscale, logger, clock } = options;
  const { queues, leaseMs } = consuming;

  // What the worker holds, and how it writes.
  const slots = new Slots(concurrency, config.workerPrefetchMultiplier);
  const prefetchGate = config.workerPrefetchMultiplier === 1 ? null : new PrefetchGate(concurrency);
  const active = new ActiveTasks();
  const retrier = new Retrier(clock, logger);
  const { resultBackendBaseSleepBetweenRetriesMs: factor, resultBackendMaxSleepBetweenRetriesMs: maximum } =
    config;
  const settler = new Settler(transport, backend, retrier, { factor, maximum, jitter: true });
  const records = new Records({ worker: name, extended: config.resultExtended, clock });

  // Its limits, and what watches it.
  const cluster = new ClusterLimits({ app, name, transport, backend, settler, leaseMs, clock, logger });
  const limits = { soft: options.softTimeLimit, hard: options.timeLimit };
  const stallDetector = new StallDetector(clock, leaseMs);
  const maxBlockedMs = config.workerMaxBlocked * 1000;
  const eventLoop = new EventLoopMonitor({ name, logger, maxBlockedMs, clock });
  const { taskEvents, remoteControl } = options;
  const operations = new Operations({
    app,
    name,
    transport,
    history: stores.history,
    active,
    taskEvents,
    remoteControl,
    clock,
    logger,
  });
  const { rateLimits, timeLimits, revocations, events, activity } = operations.rules;

  // The source of deliveries.
  const open = (others: readonly string[]): Promise<Consumer> =>
    transport.consume({ ...consuming, queues: others });
  const sources = new Sources({ first, queues, paused: queuesIn(paused), open, clock, logger });
  sources.watch(() => active.inHand);
  const pauses = new Pauses({ store: pauseStore, known: paused, transport, sources, clock, logger });

  // The steps of a delivery.
  const duplicates = new DuplicateGuard(settler, backend, clock);
  const admission = new Admission(
    app,
    admissionChecks({
      config,
      settler,
      stallDetector,
      duplicates,
      revocations,
      pauses,
      rateLimits,
      cluster,
      clock,
    }),
  );
  const pool = makePool(options, stores);
  const executor = new Executor({
    name,
    pool,
    active,
    states: new TaskStates({ name, backend, records, logger }),
    events,
    timeLimits: { timeLimits, limits, config },
    eventLoop,
    maxDeliveries: config.workerMaxDeliveries,
    clock,
    logger,
  });
  const workflows = new WorkflowSettler({ app, settler, backend, clock, logger });
  const decider = new Decider({ app, settler, workflows, records, logger });
  const reporter = new Reporter({ app, activity, events, metrics: handle.metrics, clock, logger });
  const processor = new Processor({
    decode: decoder(config, activity),
    admission,
    executor,
    decider,
    hooks: taskHooks(app, pool, logger),
    settler,
    workflows,
    reporter,
    rejections: new Rejections({ settler, workflows, decider, reporter, logger }),
    active,
    holding: { slots, prefetchGate, cluster },
  });

  // What claims.
  const { resize, onLost } = handle;
  const loop = new ClaimLoop({ source: sources, slots, processor, clock, logger, onLost });
  const broadcastConsumer = new Broadcasts({ transport, broadcasts, slots, processor, clock, logger });
  const scaler = autoscale && new Autoscaler({ ...autoscale, slots, clock, logger, resize });

  return {
    transport,
    unsubscribe,
    sources,
    loop,
    broadcastConsumer,
    slots,
    prefetchGate,
    scaler,
    pool,
    active,
    retrier,
    operations,
    pauses,
    stallDetector,
    eventLoop,
    cluster,
    limits,
  };
}
