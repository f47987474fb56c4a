// The program that writes the history of tasks: the events of workers and senders, ours and Python's.
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
 * Changes the facts of one event before they are written. Null: from now on nothing of this task is kept. The hook must return the same for the
 * same facts. Fields that the event does not have are null: only a task's first events have its name.
 */
export type FactsHook = (facts: TaskFacts) => TaskFacts | null;

export interface RecorderOptions {
  readonly logger?: Logger;
  /** How long a task is kept after its last event. Default 7 days; null: for ever. */
  readonly keepFor?: Duration | null;
  /** How many tasks are kept: of more, the oldest are deleted. Default 1,000,000; null: no limit. */
  readonly keepTasks?: number | null;
  /** Names of arguments and other members whose values are not written. Members that are named like secrets are never written. */
  readonly redact?: readonly string[];
  readonly redactHook?: FactsHook;
  /** Ask workers every 5 seconds to send task events (`enable_events`). Default true. */
  readonly enable?: boolean;
  /** Called with each received event, also events of workers. */
  readonly onEvent?: (event: WireEvent) => void;
}

/** How long events are gathered for one transaction, milliseconds. */
const flushEveryMs = 200;
/** A batch of this size, in events, is written at once. */
const batch = 2_000;
/** How many events wait for a store that is away or too slow. Further events are lost, which is logged. */
const maxWaiting = 200_000;
/** How often the store is told, while no events come, that this recorder listens; milliseconds. */
const idleWriteMs = 5_000;
/** How many ids of tasks that the hook does not want are remembered, since later events of them may come. */
const maxUnwanted = 100_000;
const enableEveryMs = 5_000;
const pruneEveryMs = 60_000;
/** How many tasks one transaction deletes. */
const pruneStep = 200;

/**
 * Receives the events of a cluster and writes them to the history, which `app.history` and `umbel tasks` read. Several recorders may write one
 * history: an event that two of them receive is there once. Brokers do not keep events, so those that are sent while no recorder listens are lost.
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
  readonly #onEvent: ((event: WireEvent) => void) | null;
  readonly #buffer = new FactsBuffer();
  /** Ids of tasks that the hook does not want. */
  readonly #unwanted = new Set<string>();
  readonly #stopping = new AbortController();
  /** Closed in reverse order. */
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
    this.#onEvent = options.onEvent ?? null;
  }

  /** How many events were received and are not written yet. */
  get lag(): number {
    return this.#buffer.events;
  }

  /** Resolves when the recorder listens. @throws ConfigError, StoreError, BrokerUnavailable */
  async start(): Promise<void> {
    this.#starting ??= this.#start();
    await this.#starting;
  }

  /** Writes the events that were received, and stops. Does not close the application. */
  stop(): Promise<void> {
    this.#stopping.abort();
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Runs the recorder until SIGTERM, SIGINT or SIGQUIT. */
  async run(): Promise<void> {
    const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
    const stopped = deferred<void>();
    const off = (): void => {
      for (const each of signals) process.off(each, handle);
    };
    const handle = (signal: NodeJS.Signals): void => {
      off();
      this.#logger.info({ signal }, `${signal}: the recorder stops`);
      stopped.resolve();
    };
    for (const each of signals) process.on(each, handle);
    try {
      await Promise.race([this.start(), stopped.promise]);
      await stopped.promise;
    } finally {
      off();
      await this.stop();
    }
  }

  /** Writes the events that were received until now. */
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
        // Events that are sent while there is no connection are not received: this recording ends.
        if (state !== 'connected') this.#recording = null;
        else this.#recording ??= newRecording();
      }),
    );
    const subscription = await captureEvents(app, (event) => this.#receive(event));
    this.#closing.push(() => subscription[Symbol.asyncDispose]());
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

  #receive(event: WireEvent): void {
    this.#onEvent?.(event);
    const received = readTaskEvent(event);
    const facts = received === null ? null : this.#redacted(received);
    if (facts === null) return;
    if (this.#buffer.events >= maxWaiting) {
      if (this.#lost++ === 0)
        this.#logger.error({}, `${maxWaiting} events wait for the store; further events are lost`);
      return;
    }
    this.#buffer.add(facts);
    if (this.#buffer.events >= batch) this.#write();
  }

  #redacted(received: TaskFacts): TaskFacts | null {
    if (this.#unwanted.has(received.id)) return null;
    const facts = this.#hooked(redactFacts(received, this.#names));
    if (facts !== null) return facts;
    this.#unwanted.add(received.id);
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
        this.#logger.error(
          { err: error },
          `the redact hook failed; events for which it fails are not written: ${error}`,
        );
      this.#hookFailed = true;
      return null;
    }
  }

  /** One transaction at a time. Events that come meanwhile make the next. */
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
      // Kept for the next transaction: if this one was committed after all, writing the same facts twice does no harm.
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
    const updatedBefore = this.#keepMs === null ? null : Date.now() - this.#keepMs;
    const retention = { updatedBefore, maxTasks: this.#keepTasks };
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
