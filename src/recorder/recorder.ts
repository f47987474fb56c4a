// The program that writes the history of tasks: what workers and senders tell, ours and Python's.
import { hostname } from 'node:os';
import type { App } from '../app/app.ts';
import { openHistoryOf } from '../app/history-work.ts';
import { Control } from '../control/control.ts';
import { captureEvents } from '../events/receiver.ts';
import type { TaskFacts } from '../history/facts.ts';
import { readTaskEvent } from '../history/read-event.ts';
import { redactFacts } from '../history/redact-facts.ts';
import { deferred } from '../lib/deferred.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';
import { uuid7 } from '../lib/uuid.ts';
import type { WireEvent } from '../protocol/event.ts';
import type { HistoryStore, Recording } from '../stores/history-store.ts';
import { FactsBuffer } from './facts-buffer.ts';

export type { TaskFacts };

/**
 * Changes what an event says of a task before it is written, or says by null that nothing of this task is to be kept from here on. It must always give the
 * same for the same. What an event does not say is null: only the first ones of a task have its name.
 */
export type FactsHook = (facts: TaskFacts) => TaskFacts | null;

export interface RecorderOptions {
  readonly logger?: Logger;
  /** How long a task is kept after the last that was heard of it. Default 7 days; null: for ever. */
  readonly keepFor?: Duration | null;
  /** Of more tasks the oldest are deleted. Default 1,000,000; null: all are kept. */
  readonly keepTasks?: number | null;
  /** Names of arguments and of other members whose values are not written, beside those that are named like secrets. */
  readonly redact?: readonly string[];
  readonly redactHook?: FactsHook;
  /** Ask workers, again and again, to tell of their tasks. Default true. */
  readonly enable?: boolean;
}

/** How long events are gathered for one transaction, milliseconds. */
const flushEveryMs = 200;
/** A batch that is as large is written at once, in events. */
const batch = 2_000;
/** Events that wait for a store that is away or too slow; what comes then is lost, which is said. */
const maxWaiting = 200_000;
/** How often the store learns that we listen though nothing happens, milliseconds. */
const idleWriteMs = 5_000;
/** Ids of tasks that are not to be kept, whose later events may come yet. */
const maxUnwanted = 100_000;
const enableEveryMs = 5_000;
const pruneEveryMs = 60_000;
/** Tasks that are deleted in one transaction. */
const pruneStep = 200;

/**
 * Hears the events of a cluster and keeps them: `app.history` and `umbel tasks` read what it writes. Several may write one history: what they both hear
 * is there once. What is told while none listens is lost, as events are told and not kept.
 * @example
 * await using recorder = new Recorder(app);
 * await recorder.run(); // until SIGTERM
 */
export class Recorder implements Service {
  readonly app: App;
  readonly #logger: Logger;
  readonly #keepMs: number | null;
  readonly #keepTasks: number | null;
  readonly #names: ReadonlySet<string>;
  readonly #hook: FactsHook | null;
  readonly #enable: boolean;
  readonly #buffer = new FactsBuffer();
  /** Ids of tasks that the hook does not want. */
  readonly #unwanted = new Set<string>();
  readonly #stopping = new AbortController();
  /** What is to be closed, the last first. */
  readonly #closing: (() => unknown)[] = [];
  #store: HistoryStore | null = null;
  #starting: Promise<void> | null = null;
  #ending: Promise<void> | null = null;
  #writing: Promise<void> | null = null;
  #pruning: Promise<void> | null = null;
  #recording: Recording | null = null;
  #writtenAt = 0;
  #lost = 0;
  #failing = false;
  #hookFailed = false;

  /** @throws ConfigError */
  constructor(app: App, options: RecorderOptions = {}) {
    const { logger = silentLogger, keepFor = '7d', keepTasks = 1_000_000 } = options;
    this.app = app;
    this.#logger = logger;
    this.#keepMs = keepFor === null ? null : toMs(keepFor, "'keepFor' of the recorder");
    this.#keepTasks = keepTasks;
    this.#names = new Set(options.redact);
    this.#hook = options.redactHook ?? null;
    this.#enable = options.enable ?? true;
  }

  /** How many events were heard and are not written yet. */
  get lag(): number {
    return this.#buffer.events;
  }

  /** Resolves when it listens. @throws ConfigError, StoreError, BrokerUnavailable */
  async start(): Promise<void> {
    this.#starting ??= this.#start();
    await this.#starting;
  }

  /** Writes what it has heard. Does not close the application. */
  stop(): Promise<void> {
    this.#stopping.abort();
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Starts, and stops at SIGTERM, SIGINT or SIGQUIT. */
  async run(): Promise<void> {
    const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
    const told = deferred<void>();
    const off = (): void => {
      for (const each of signals) process.off(each, handle);
    };
    const handle = (signal: NodeJS.Signals): void => {
      off();
      this.#logger.info({ signal }, `${signal}: the recorder stops`);
      told.resolve();
    };
    for (const each of signals) process.on(each, handle);
    try {
      await Promise.race([this.start(), told.promise]);
      await told.promise;
    } finally {
      off();
      await this.stop();
    }
  }

  /** Writes what was heard until now. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    this.#write();
    await this.#writing;
  }

  async #start(): Promise<void> {
    const { app } = this;
    const store = await openHistoryOf(app.config);
    this.#closing.push(() => store.close());
    this.#store = store;
    const transport = await app.broker();
    this.#closing.push(
      transport.onStatus(({ state }) => {
        // What is told while the connection is away is not heard.
        if (state !== 'connected') this.#recording = null;
        else this.#recording ??= newRecording();
      }),
    );
    const hearing = await captureEvents(app, (event) => this.#hear(event));
    this.#closing.push(() => hearing[Symbol.asyncDispose]());
    this.#recording = newRecording();
    if (this.#enable) {
      const control = new Control(app);
      this.#closing.push(() => control[Symbol.asyncDispose]());
      const ask = (): void => void control.tell('enable_events').catch(() => undefined);
      ask();
      this.#every(enableEveryMs, ask);
    }
    this.#every(flushEveryMs, () => this.#write());
    this.#every(pruneEveryMs, () => this.#prune());
    this.#prune();
    this.#logger.info(
      { store: store.name, location: store.location },
      `recorder ready: the history is in ${store.location}`,
    );
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    await this.flush();
    if (this.lag > 0)
      this.#logger.error({ events: this.lag }, `the store is away: ${this.lag} events are lost`);
    await this.#pruning;
    for (const close of this.#closing.toReversed()) await close();
  }

  #every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    this.#closing.push(() => clearInterval(timer));
  }

  #hear(event: WireEvent): void {
    const told = readTaskEvent(event);
    const facts = told === null ? null : this.#redacted(told);
    if (facts === null) return;
    if (this.#buffer.events >= maxWaiting) {
      if (this.#lost++ === 0)
        this.#logger.error({}, `${maxWaiting} events wait for the store; those that come now are lost`);
      return;
    }
    this.#buffer.add(facts);
    if (this.#buffer.events >= batch) this.#write();
  }

  #redacted(told: TaskFacts): TaskFacts | null {
    if (this.#unwanted.has(told.id)) return null;
    const facts = this.#hooked(redactFacts(told, this.#names));
    if (facts !== null) return facts;
    this.#unwanted.add(told.id);
    const [oldest] = this.#unwanted;
    if (this.#unwanted.size > maxUnwanted && oldest !== undefined) this.#unwanted.delete(oldest);
    return null;
  }

  #hooked(facts: TaskFacts): TaskFacts | null {
    if (this.#hook === null) return facts;
    try {
      return this.#hook(facts);
    } catch (error) {
      if (!this.#hookFailed)
        this.#logger.error({ err: error }, `the hook failed, and what it fails for is not written: ${error}`);
      this.#hookFailed = true;
      return null;
    }
  }

  /** One transaction at a time. What comes meanwhile makes the next. */
  #write(): void {
    const store = this.#store;
    const isDue = Date.now() - this.#writtenAt >= idleWriteMs || this.#stopping.signal.aborted;
    if (store === null || this.#writing !== null || (this.lag === 0 && !isDue)) return;
    this.#writing = this.#writeTo(store).finally(() => {
      this.#writing = null;
      if (this.#buffer.events >= batch && !this.#failing) this.#write();
    });
  }

  async #writeTo(store: HistoryStore): Promise<void> {
    const tasks = this.#buffer.take();
    const recording = this.#recording && { ...this.#recording, until: Date.now() };
    try {
      await store.merge(tasks, recording);
      this.#writtenAt = Date.now();
      if (this.#failing) this.#logger.info({}, 'the history is written again');
      if (this.#lost > 0) {
        this.#logger.warn({ lost: this.#lost }, `${this.#lost} events were lost`);
        this.#lost = 0;
      }
      this.#failing = false;
    } catch (error) {
      // Kept for the next time; to write twice what was written does no harm.
      this.#buffer.putBack(tasks);
      if (!this.#failing) this.#logger.error({ err: error }, `the history cannot be written now: ${error}`);
      this.#failing = true;
    }
  }

  #prune(): void {
    this.#pruning ??= this.#pruneAll()
      .catch((error: unknown) => this.#logger.warn({ err: error }, `old tasks stay for now: ${error}`))
      .finally(() => {
        this.#pruning = null;
      });
  }

  async #pruneAll(): Promise<void> {
    const heardBefore = this.#keepMs === null ? null : Date.now() - this.#keepMs;
    const retention = { heardBefore, mostTasks: this.#keepTasks };
    while (this.#store !== null && !this.#stopping.signal.aborted) {
      if ((await this.#store.prune(retention, pruneStep)) === 0) return;
      await new Promise((next) => setImmediate(next));
    }
  }
}

function newRecording(): Recording {
  const from = Date.now();
  return { id: `${hostname()}/${process.pid}/${uuid7()}`, from, until: from };
}
