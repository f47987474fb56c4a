// The program that runs tasks: starts its parts (`assemble.ts`) in order, and stops them in reverse order.
import type { App } from '../app/app.ts';
import { ConfigError, type StoreLostError, UmbelError } from '../errors.ts';
import { Health } from '../http/health.ts';
import { atMost } from '../lib/deadline.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { Service } from '../lib/service.ts';
import { assemble, type Parts } from './assemble.ts';
import { type MeasuredWorker, WorkerMetrics } from './metrics.ts';
import type { WorkerOptions } from './options.ts';
import { type ResolvedWorkerOptions, resolveWorkerOptions } from './resolve-options.ts';
import { describeStage, onShutdownSignal, type ShutdownKind, shutDown } from './shutdown.ts';
import { logSlots, onSlotsSignal } from './slot-report.ts';
import { StopRequest } from './stop-request.ts';
import { taskLogFields } from './task-log-fields.ts';
import { logUncaughtError, onUncaughtError } from './uncaught-errors.ts';
import { logUnservedQueues } from './unserved-queues.ts';

export type { ShutdownKind, WorkerOptions };
export { taskLogFields };

/** How long a worker that is told to stop waits for the rest of its start, milliseconds. */
const startingMs = 3000;

/**
 * Runs an application's tasks.
 * @example
 * await using worker = new Worker(app, { queues: ['celery', 'slow'], concurrency: 8 });
// until SIGTERM; then it finishes its tasks
 */
export class Worker implements Service {
  /** The application whose tasks it runs. */
  readonly app: App;
  readonly #options: ResolvedWorkerOptions;
  readonly #health: Health;
  /** Null: it has no port on which to show them. */
  readonly #metrics: WorkerMetrics | null;
  readonly #stopRequest: StopRequest;
  #starting: Promise<Parts | null> | null = null;
  #stopping: Promise<void> | null = null;
  readonly #stopped: Deferred<void> = deferred();
  /** The parts that may hold messages; set before the first claim. */
  #parts: Parts | null = null;
  /** It takes messages. */
  #isRunning = false;
  /** The error that ended it. */
  #failure: StoreLostError | null = null;

  /** @throws ConfigError, UnknownOptionError */
  constructor(app: App, options: WorkerOptions = {}) {
    this.app = app;
    this.#options = resolveWorkerOptions(app, options);
    const { health, clock, logger, softShutdownTimeoutMs: softMs } = this.#options;
    this.#stopRequest = new StopRequest({ softMs, clock, logger });
    this.#metrics = health.port === undefined ? null : new WorkerMetrics(() => this.#state());
    const unready = (): string | null => this.#unready();
    this.#health = new Health({ ...health, clock, logger, unready, metrics: this.#metrics });
  }

  /** Its name among all workers: `celery@host`. */
  get name(): string {
    return this.#options.name;
  }

  /** The queues that it serves now. */
  get queues(): readonly string[] {
    return this.#options.queues;
  }

  /** How many tasks it runs at a time, now. */
  get concurrency(): number {
    return this.#running?.slots.size ?? this.#options.concurrency;
  }

  /** The port of its probes; null: there is none. */
  get healthPort(): number | null {
    return this.#health.port;
  }

  /** Sets how many tasks it runs at a time. Tasks above that are finished. No effect before its start. */
  resize(concurrency: number): void {
    if (!Number.isInteger(concurrency) || concurrency < 1)
      throw new ConfigError(`concurrency must be a whole number above 0, not ${String(concurrency)}`);
    this.#running?.pool.resize(concurrency);
    this.#running?.slots.resize(concurrency);
    this.#running?.prefetchGate?.resize(concurrency);
  }

  /**
   * Resolves when it takes messages, or when it is stopped meanwhile. While the broker is away it waits for it.
   * @throws the error of opening the broker or the result backend, when waiting would not help
   */
  async start(): Promise<void> {
    if (this.#stopping !== null)
      throw new UmbelError('UMBEL_WORKER_STOPPED', 'this worker was stopped; make a new one');
    this.#starting ??= this.#start();
    await this.#starting;
  }

  /**
   * Warm: takes no more messages, and finishes its tasks. Soft: finishes tasks that end within `softShutdownTimeout`, and gives back the
   * rest. Cold: gives back all tasks at once. Resolves when nothing is held any more. Called during a warm stop, `soft` and `cold` shorten
   * it.
   */
  stop(options: { readonly soft?: boolean; readonly cold?: boolean } = {}): Promise<void> {
    this.#stopRequest.ask(options);
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Starts, and stops at a signal as Celery does: SIGTERM, SIGHUP and the first Ctrl-C warm; the next one and SIGQUIT soft if
   * `softShutdownTimeout` is set, else cold. SIGUSR1 logs the running tasks.
   * Resolves when it has stopped, also by `stop()`, and sets the process's exit code: 1 after a cold stop. Code of tasks that were given
   * back may still run then and keep the process alive: `process.exit()` ends it.
   * @throws StoreLostError when the file of the embedded store was deleted, replaced or damaged: the worker has stopped by itself
   */
  async run(): Promise<ShutdownKind> {
    const { name, clock, logger, softShutdownTimeoutMs: softMs } = this.#options;
    using _signals = onShutdownSignal((stage, signal) => {
      logger.info({ signal, how: stage }, `${signal}: ${stage} shutdown, ${describeStage(stage, softMs)}`);
      void this.stop({ soft: stage === 'soft', cold: stage === 'cold' });
    }, softMs > 0);
    // Also during a stop, when people need it most.
    using _asks = onSlotsSignal(() => logSlots(this.#parts, { name, clock, logger }));
    using _strays = onUncaughtError((error, kind) =>
      logUncaughtError(error, kind, logger, this.#running?.active),
    );
    await Promise.race([this.start(), this.#stopped.promise]);
    await this.#stopped.promise;
    if (this.#failure !== null) throw this.#failure;
    if (this.#stopRequest.how !== 'cold') return 'warm';
    process.exitCode = 1;
    return 'cold';
  }

  async #start(): Promise<Parts | null> {
    const { app, queues } = this;
    const { name, concurrency, logger } = this.#options;
    const { leaving } = this.#stopRequest;
    await app.signals.workerInit.send({ hostname: name }, logger);
    await this.#health.start(); // also while it waits for its broker: it lives
    const resize = (size: number): void => this.resize(size);
    const shutDown = (): void => void this.stop();
    const onLost = (error: StoreLostError): void => {
      this.#failure = error;
      void this.stop({ cold: true });
    };
    const parts = await assemble(app, this.#options, { leaving, metrics: this.#metrics, resize, onLost });
    if (parts === null) return null;
    await parts.operations.prepare();
    await parts.stallDetector.start();
    await parts.eventLoop.start();
    if (leaving.aborted) return parts;
    this.#parts = parts;
    await parts.loop.start();
    await parts.broadcastConsumer.start();
    this.#isRunning = true;
    await parts.scaler?.start();
    await parts.operations.start({ ...parts, resize, shutDown });
    await parts.pauses.start();
    // Logged when it is ready to answer: a reader of the log may ask it at once.
    logger.info(
      { node: name, queues, concurrency },
      `${name} ready: takes up to ${concurrency} tasks from ${queues.join(', ')}`,
    );
    logUnservedQueues(app, this.#options);
    await app.signals.workerReady.send({ hostname: name }, logger);
    return parts;
  }

  async #stop(): Promise<void> {
    const { logger, clock } = this.#options;
    const starting = (this.#starting ?? Promise.resolve(null)).catch(() => null);
    const isThrough = await atMost(startingMs, starting, clock);
    this.#isRunning = false;
    if (!isThrough) {
      logger.warn({}, 'the start hangs in a hook, a module or at the broker: the worker stops without it');
      // A start that holds nothing yet is closed whenever it is over.
      if (this.#parts === null)
        void starting.then((late) => late && this.#leave(late)).catch(() => undefined);
    }
    const parts = isThrough ? await starting : this.#parts;
    if (parts) await this.#leave(parts);
    await this.#health.stop();
    this.#stopped.resolve();
  }

  async #leave(parts: Parts): Promise<void> {
    const { name: hostname, logger, clock, shutdownTimeoutMs: timeoutMs } = this.#options;
    const { workerShuttingDown, workerShutdown } = this.app.signals;
    const { how, cold } = this.#stopRequest;
    await workerShuttingDown.send({ hostname, how }, logger);
    await parts.broadcastConsumer.stop();
    await parts.pauses.stop();
    await shutDown(parts, { cold, timeoutMs, clock, logger });
    await parts.stallDetector.stop();
    await parts.eventLoop.stop();
    await parts.operations.stop();
    await parts.cluster.close();
    this.#stopRequest.done();
    await workerShutdown.send({ hostname }, logger);
    logger.info({ node: hostname }, `${hostname} stopped`);
  }

  /** The parts while it takes messages. */
  get #running(): Parts | null {
    return this.#isRunning ? this.#parts : null;
  }

  #state(): MeasuredWorker {
    const parts = this.#parts;
    return {
      slots: this.concurrency,
      running: parts?.active.running.size ?? 0,
      held: parts?.active.inHand.size ?? 0,
      isConnected: parts?.transport.status.state === 'connected',
    };
  }

  /** Why it takes no tasks now; null: it takes tasks. */
  #unready(): string | null {
    if (this.#stopRequest.leaving.aborted) return 'it is stopping';
    if (this.#running === null) return 'it is starting';
    const { state, reason } = this.#running.transport.status;
    return state === 'reconnecting' ? `the broker is away${reason === null ? '' : `: ${reason}`}` : null;
  }
}
