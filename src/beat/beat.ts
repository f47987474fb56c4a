// The program that sends tasks on a schedule.
import type { App } from '../app/app.ts';
import { BrokerUnavailable, ConfigError, UmbelError } from '../errors.ts';
import { Health, type HealthOptions } from '../http/health.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { atMost } from '../lib/deadline.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import { retrying } from '../lib/retry.ts';
import type { Service } from '../lib/service.ts';
import type { RunOutcome, RunRecord, ScheduleStore } from '../stores/schedule-store.ts';
import { putDeclared } from './declared.ts';
import { Dispatch } from './dispatch.ts';
import { Leadership, type Term } from './leadership.ts';
import { BeatMetrics, type MeasuredBeat } from './metrics.ts';
import { openSchedulesOf } from './open-schedule-store.ts';
import { type ScheduleInfo, type ScheduleRun, Schedules, type UpcomingRun } from './schedules.ts';
import { Timetable } from './timetable.ts';

export type { HealthOptions, RunOutcome, ScheduleInfo, ScheduleRun, UpcomingRun };
export { Schedules };

/** Options of `new Beat`. */
export interface BeatOptions {
  /** Where it logs. Default: it does not. */
  readonly logger?: Logger;
  /** If the leader is silent for this time, another beat leads. Default 3 s, at least 1 s. */
  readonly lease?: Duration;
  /** It runs in a worker's process, as with `worker -B`: the signal `beatEmbeddedInit` is sent, too. */
  readonly embedded?: boolean;
  /**
   * Probes and metrics over HTTP, and a file that is touched, as of a worker. A beat that stands by is ready; one whose store of schedules
   * does not answer is not.
   */
  readonly health?: HealthOptions;
  /** @internal */
  readonly clock?: Clock;
}

/** How many times the lead is renewed within a lease. */
const renewals = 4;
const minLeaseMs = 1000;
const retryPolicy = { factor: 100, maximum: 2000, jitter: true } as const;

/**
 * Sends an application's tasks on their schedules. Any number of beats may run, on any machines: one leads, and the others stand by and
 * take over within 5 seconds. A beat runs no tasks.
 * @example
 * await using beat = new Beat(app);
 * await beat.run(); // until SIGTERM
 */
export class Beat implements Service {
  /** The application whose schedules it sends. */
  readonly app: App;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #embedded: boolean;
  readonly #health: Health;
  readonly #metrics: BeatMetrics | null;
  readonly #stopping = new AbortController();
  readonly #stopped: Deferred<void> = deferred();
  #starting: Promise<void> | null = null;
  #ending: Promise<void> | null = null;
  #store: ScheduleStore | null = null;
  #leadership: Leadership | null = null;
  #running: Promise<void> = Promise.resolve();
  #timetable: Timetable | null = null;

  /** @throws ConfigError */
  constructor(app: App, options: BeatOptions = {}) {
    const { logger = silentLogger, lease = 3, embedded = false, clock = systemClock, health = {} } = options;
    if (app.config.taskAlwaysEager)
      throw new ConfigError(
        "with 'taskAlwaysEager' a beat would run tasks instead of sending them; set it to false where a beat runs",
      );
    this.app = app;
    this.#logger = logger;
    this.#clock = clock;
    this.#embedded = embedded;
    this.#leaseMs = Math.max(minLeaseMs, toMs(lease, "'lease' of the beat"));
    this.#metrics = health.port === undefined ? null : new BeatMetrics(() => this.#state());
    const unready = (): string | null => this.#unready();
    this.#health = new Health({ ...health, clock, logger, unready, metrics: this.#metrics });
  }

  /** Whether this beat sends. If not, another one does, or none can. */
  get leads(): boolean {
    return this.#leadership?.leads ?? false;
  }

  /** Its name among all beats. */
  get name(): string | null {
    return this.#leadership?.holder ?? null;
  }

  /** The port of its probes; null: there is none. */
  get healthPort(): number | null {
    return this.#health.port;
  }

  /**
   * Puts the schedules of the code into the store, and takes part. While the store is away it waits for it. Also resolves when it is
   * stopped meanwhile.
   * @throws ConfigError, StoreError
   */
  async start(): Promise<void> {
    if (this.#ending !== null)
      throw new UmbelError('UMBEL_BEAT_STOPPED', 'this beat was stopped; make a new one');
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#health.stop(); // its port would keep the process
      throw error;
    });
    await this.#starting;
  }

  /** Finishes runs that are under way, and lets another beat lead. Does not close the application. */
  stop(): Promise<void> {
    this.#stopping.abort(new Error('the beat stops'));
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Starts, and stops at SIGTERM, SIGINT or SIGQUIT. A second signal ends the process at once. */
  async run(): Promise<void> {
    const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
    const handle = (signal: NodeJS.Signals): void => {
      for (const each of signals) process.off(each, handle);
      this.#logger.info({ signal }, `${signal}: the beat stops`);
      void this.stop();
    };
    for (const each of signals) process.on(each, handle);
    try {
      await Promise.race([this.start(), this.#stopped.promise]);
      await this.#stopped.promise;
    } finally {
      for (const each of signals) process.off(each, handle);
    }
  }

  async #start(): Promise<void> {
    const { app } = this;
    await this.#health.start(); // also while it waits for its store: it lives
    const store = await this.#whenThere(() => openSchedulesOf(app));
    if (store === null) return;
    this.#store = store;
    if (!(await this.#putDeclared(store))) return;
    const everyMs = this.#leaseMs / renewals;
    const timing = { leaseMs: this.#leaseMs, everyMs, clock: this.#clock, logger: this.#logger };
    const leadership: Leadership = new Leadership(store, timing, {
      onTerm: (term) => this.#begin(term, store, leadership),
      onBeat: ({ revision }) => void this.#refresh(revision),
    });
    this.#leadership = leadership;
    const self = { name: leadership.holder };
    await app.signals.beatInit.send(self, this.#logger);
    if (this.#embedded) await app.signals.beatEmbeddedInit.send(self, this.#logger);
    if (this.#stopping.signal.aborted) return;
    this.#running = leadership.run(this.#stopping.signal);
    this.#logger.info({ beat: leadership.holder, store: store.name }, `beat ready: ${leadership.holder}`);
  }

  /** False: it was stopped before. */
  async #putDeclared(store: ScheduleStore): Promise<boolean> {
    try {
      return (await this.#whenThere(() => putDeclared(this.app, store).then(() => true))) ?? false;
    } catch (error) {
      this.#store = null;
      await store.close();
      throw error;
    }
  }

  /** Repeats `open` until the store answers; null: the beat was stopped before. */
  async #whenThere<T>(open: () => Promise<T>): Promise<T | null> {
    return retrying(open, {
      policy: retryPolicy,
      clock: this.#clock,
      signal: this.#stopping.signal,
      when: (error) => error instanceof BrokerUnavailable,
      log: (error) =>
        this.#logger.warn({ err: error }, 'the store of schedules does not answer; waiting for it'),
    });
  }

  #begin(term: Term, store: ScheduleStore, leadership: Leadership): void {
    const { app } = this;
    const shared = { app, store, time: leadership.time, clock: this.#clock, logger: this.#logger };
    const onFenced = (): void => leadership.lose('another beat leads');
    const dispatch = new Dispatch({ ...shared, onFenced });
    const onRun = (run: RunRecord): void => this.#metrics?.ran(run);
    this.#timetable = new Timetable(term, { ...shared, dispatch, onRun });
    this.#logger.info({ beat: leadership.holder, fence: term.fence }, 'leading');
    void this.#restore(term, store);
  }

  /** The store may have lost its data: puts missing schedules of the code there again, and changes no others. */
  async #restore({ signal }: Term, store: ScheduleStore): Promise<void> {
    await retrying(() => putDeclared(this.app, store, { onlyMissing: true }), {
      policy: retryPolicy,
      clock: this.#clock,
      signal,
      log: (error) =>
        this.#logger.warn({ err: error }, 'the schedules of the code could not be looked up; retrying'),
    });
  }

  async #refresh(revision: number): Promise<void> {
    try {
      await this.#timetable?.refresh(revision);
    } catch (error) {
      this.#logger.warn({ err: error }, 'the schedules could not be read; retrying soon');
    }
  }

  async #stop(): Promise<void> {
    // A start that hangs, in a hook or at the store, must not keep the process: it does not lead yet.
    await atMost(
      this.#leaseMs,
      (this.#starting ?? Promise.resolve()).catch(() => {}),
      this.#clock,
    );
    await this.#running;
    // Runs under way end while this beat still leads; no new run begins.
    await this.#withinLease(this.#timetable?.settled());
    await this.#withinLease(this.#resign());
    await this.#store?.close();
    await this.#health.stop();
    if (this.#leadership !== null) this.#logger.info({ beat: this.#leadership.holder }, 'beat stopped');
    this.#stopped.resolve();
  }

  /** Why it neither sends nor could take over; null: it is ready. */
  #unready(): string | null {
    if (this.#stopping.signal.aborted) return 'it stops';
    return this.#leadership?.answers === true ? null : 'the store of schedules does not answer';
  }

  #state(): MeasuredBeat {
    const { leads } = this;
    const schedules = leads ? (this.#timetable?.size ?? 0) : 0;
    return { leads, schedules, isConnected: this.#leadership?.answers === true };
  }

  async #resign(): Promise<void> {
    await this.#leadership
      ?.resign()
      .catch((error: unknown) =>
        this.#logger.warn(
          { err: error },
          'the lead could not be given up; another takes it when the lease is over',
        ),
      );
  }

  /** Waits for the work, at most until the lead has ended in any case. */
  async #withinLease(work: Promise<void> | undefined): Promise<void> {
    if (work !== undefined) await atMost(this.#leaseMs, work, this.#clock);
  }
}
