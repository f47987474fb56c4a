// The program that writes the history of tasks: the events of workers and senders, ours and Python's.
import { hostname } from 'node:os';
import type { App } from '../app/app.ts';
import { openHistoryOf } from '../app/history-work.ts';
import { Control } from '../control/control.ts';
import { captureEvents } from '../events/receiver.ts';
import type { TaskFacts } from '../history/facts.ts';
import { readTaskEvent } from '../history/read-event.ts';
import { Health, type HealthOptions } from '../http/health.ts';
import { systemClock } from '../lib/clock.ts';
import { deferred } from '../lib/deferred.ts';
import { toMs } from '../lib/duration.ts';
import { type Logger, silentLogger } from '../lib/logger.ts';
import type { Service } from '../lib/service.ts';
import { uuid7 } from '../lib/uuid.ts';
import type { WireEvent } from '../protocol/event.ts';
import type { HistoryStore, Recording } from '../stores/history-store.ts';
import type { Transport } from '../stores/transport.ts';
import { EventsAsker } from './events-asker.ts';
import { FactsBuffer } from './facts-buffer.ts';
import { type MeasuredRecorder, RecorderMetrics } from './metrics.ts';
import { openedHistory } from './open-history.ts';
import type { RecorderOptions } from './options.ts';
import { type FactsHook, Redactor } from './redactor.ts';
import { type ReadFacts, StreamReader } from './stream-reader.ts';
import { Upkeep, type UpkeepRules } from './upkeep.ts';

export type { FactsHook, HealthOptions, RecorderOptions, TaskFacts };

/** How long events are gathered for one transaction, milliseconds. */
const flushEveryMs = 200;
/** A batch of this size, in events, is written at once. */
const batch = 2_000;
/** How many events wait for a store that is away or too slow. Further events are lost, which is logged. */
const maxWaiting = 200_000;
/** How often the store is told, while no events come, that this recorder listens; milliseconds. */
const idleWriteMs = 5_000;
const enableEveryMs = 5_000;
const upkeepEveryMs = 60_000;

/**
 * Writes what happens to tasks to the history, which `app.history` and `umbel tasks` read. It registers with the broker; from then on our programs write
 * it into a stream there, which waits for the recorder while it is away. It also receives events (Celery's workers send no others): brokers do not keep
 * those, so what is sent while no recorder listens is lost. Several recorders may write one history: what two of them hear is there once.
 * @example
 * await using recorder = new Recorder(app);
 * await recorder.run(); // until SIGTERM
 */
export class Recorder implements Service {
  /** The application whose tasks it records. */
  readonly app: App;
  readonly #logger: Logger;
  readonly #upkeepRules: UpkeepRules;
  readonly #redactor: Redactor;
  readonly #enable: boolean;
  readonly #onEvent: ((event: WireEvent) => void) | null;
  readonly #health: Health;
  readonly #metrics: RecorderMetrics | null;
  readonly #buffer = new FactsBuffer();
  readonly #stopping = new AbortController();
  /** Closed in reverse order. */
  readonly #closing: (() => unknown)[] = [];
  #store: HistoryStore | null = null;
  #starting: Promise<void> | null = null;
  #ending: Promise<void> | null = null;
  #writing: Promise<void> | null = null;
  #upkeep: Upkeep | null = null;
  #recording: Recording | null = null;
  #reader: StreamReader | null = null;
  /** What was read from the stream, is in the buffer, and is not written yet. */
  #read: ReadFacts | null = null;
  #writtenAt = 0;
  #lost = 0;
  #failing = false;
  #isBehind = false;
  #waits = false;
  /** Until when all was read, and until when all is written, milliseconds since 1970. */
  #readUntil: number | null = null;
  #writtenUntil: number | null = null;

  /** @throws ConfigError */
  constructor(app: App, options: RecorderOptions = {}) {
    const { logger = silentLogger, keepFor = '7d', keepTasks = 1_000_000 } = options;
    this.app = app;
    this.#logger = logger;
    const keepMs = keepFor === null ? null : toMs(keepFor, "'keepFor' of the recorder");
    this.#upkeepRules = { keepMs, keepTasks };
    this.#redactor = new Redactor(options.redact, options.redactHook, logger);
    this.#enable = options.enable ?? true;
    this.#onEvent = options.onEvent ?? null;
    const { health = {} } = options;
    this.#metrics = health.port === undefined ? null : new RecorderMetrics(() => this.#state());
    const unready = (): string | null => this.#unready();
    this.#health = new Health({ ...health, clock: systemClock, logger, unready, metrics: this.#metrics });
  }

  /** The port of its probes; null: there is none. */
  get healthPort(): number | null {
    return this.#health.port;
  }

  /** How many events were received and are not written yet. */
  get lag(): number {
    return this.#buffer.events;
  }

  /** Resolves when the recorder listens. @throws ConfigError, StoreError, BrokerUnavailable */
  async start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#health.stop(); // its port would keep the process
      throw error;
    });
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

  /** Runs the recorder until SIGTERM, SIGINT or SIGQUIT. It waits for a history whose store is away. */
  async run(): Promise<void> {
    this.#waits = true;
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
    do {
      while (this.#writing !== null) await this.#writing;
      this.#write();
      await this.#writing;
    } while (this.#isBehind && !this.#failing);
  }

  async #start(): Promise<void> {
    const { app } = this;
    await this.#health.start(); // also while it waits for its store: it lives
    this.#closing.push(() => this.#health.stop());
    const store = this.#waits
      ? await openedHistory(app, this.#logger, this.#stopping.signal)
      : await openHistoryOf(app.config);
    if (store === null) return;
    this.#closing.push(() => store.close());
    this.#store = store;
    const transport = await app.broker();
    this.#closing.push(
      transport.onStatus(({ state }) => {
        // Events that are sent while there is no connection are not received: this recording ends.
        if (this.#reader !== null) return; // the stream keeps what our programs write
        if (state !== 'connected') this.#recording = null;
        else this.#recording ??= newRecording(Date.now());
      }),
    );
    await this.#register(transport, store);
    const control = new Control(app);
    this.#closing.push(() => control[Symbol.asyncDispose]());
    // A listener wants the events of all workers, live.
    const all = this.#reader === null || this.#onEvent !== null;
    const asker = this.#enable ? new EventsAsker(control, all) : null;
    const subscription = await captureEvents(app, (event) => {
      asker?.heard(event);
      this.#receive(event);
    });
    this.#closing.push(() => subscription[Symbol.asyncDispose]());
    this.#recording ??= newRecording(Date.now());
    this.#writtenUntil = this.#recording.from;
    // Our workers look for a recorder, too.
    if (this.#reader?.isNew === true) await control.tell('reload_pauses').catch(() => undefined);
    asker?.ask();
    this.#every(enableEveryMs, () => asker?.ask());
    this.#every(flushEveryMs, () => this.#write());
    const upkeep = new Upkeep(store, this.#upkeepRules, this.#logger, this.#stopping.signal);
    this.#upkeep = upkeep;
    this.#every(upkeepEveryMs, () => upkeep.run(this.#reader, this.#metrics));
    upkeep.run(this.#reader, this.#metrics);
    this.#logger.info(
      { store: store.name, location: store.location },
      `recorder ready: the history is in ${store.location}`,
    );
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    await this.flush();
    if (this.lag > 0 && this.#read === null)
      this.#logger.error({ events: this.lag }, `the store is away: ${this.lag} events are lost`);
    await this.#upkeep?.settled();
    for (const close of this.#closing.toReversed()) await close();
  }

  async #register(transport: Transport, store: HistoryStore): Promise<void> {
    const { taskHistory, taskHistoryLimit } = this.app.config;
    if (taskHistory === 'off') return;
    const reader = await StreamReader.open(transport, store.id, taskHistoryLimit, this.#logger);
    if (reader === null) return;
    this.#closing.push(() => reader.close());
    this.#reader = reader;
    await this.app.stores?.history?.look();
    const ends = reader.isNew ? [] : (await store.recordings()).map(({ until }) => until);
    if (ends.length > 0) this.#recording = newRecording(Math.max(...ends)); // the stream has all since then, unless entries were dropped
  }

  #every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    this.#closing.push(() => clearInterval(timer));
  }

  #receive(event: WireEvent): void {
    this.#onEvent?.(event);
    const received = readTaskEvent(event);
    const facts = received === null ? null : this.#redactor.redacted(received);
    if (facts === null) return;
    this.#metrics?.read('events', 1);
    if (this.#buffer.events >= maxWaiting) {
      this.#metrics?.lost('overflow', 1);
      if (this.#lost++ === 0)
        this.#logger.error({}, `${maxWaiting} events wait for the store; further events are lost`);
      return;
    }
    this.#buffer.add(facts);
    if (this.#buffer.events >= batch) this.#write();
  }

  /** One transaction at a time. Events that come meanwhile make the next. */
  #write(): void {
    const store = this.#store;
    const isDue = this.#isDue || this.#reader !== null;
    if (store === null || this.#writing !== null || (this.lag === 0 && !isDue)) return;
    this.#writing = this.#writeTo(store).finally(() => {
      this.#writing = null;
      if ((this.#buffer.events >= batch || this.#isBehind) && !this.#failing) this.#write();
    });
  }

  get #isDue(): boolean {
    return Date.now() - this.#writtenAt >= idleWriteMs || this.#stopping.signal.aborted;
  }

  /** Takes the next part of the stream into the buffer. */
  async #readStream(): Promise<void> {
    if (this.#reader === null || this.#read !== null) return;
    const read = await this.#reader.read();
    this.#isBehind = read?.isAll === false;
    if (read !== null) {
      this.#readUntil = read.isAll ? Date.now() : read.lastAt;
      this.#metrics?.read('stream', read.facts.length);
      this.#metrics?.lost('dropped', read.dropped);
    }
    if (read === null || (read.facts.length === 0 && read.dropped === 0 && read.isAll)) return;
    this.#read = read;
    if (read.dropped > 0) this.#gap(read.dropped, read.firstAt ?? Date.now());
    for (const each of read.facts) {
      const facts = this.#redactor.redacted(each);
      if (facts !== null) this.#buffer.add(facts);
    }
  }

  /** Entries were dropped before this time: another span begins. */
  #gap(dropped: number, until: number): void {
    this.#recording = newRecording(until);
    this.#logger.warn(
      { dropped },
      `the stream in the broker was full: ${dropped} entries from before ${new Date(until).toISOString()} were dropped, and the history has a gap; see taskHistoryLimit`,
    );
  }

  async #writeTo(store: HistoryStore): Promise<void> {
    if (this.#reader === null && this.#recording !== null) this.#readUntil = Date.now();
    await this.#readStream();
    const readUntil = this.#readUntil;
    if (this.lag === 0 && this.#read === null && !this.#isDue) {
      this.#writtenUntil = readUntil;
      return;
    }
    const read = this.#read;
    const tasks = this.#buffer.take();
    // While entries wait, the history is whole only until the last one that was read.
    const until = this.#isBehind ? (read?.lastAt ?? this.#recording?.until ?? Date.now()) : Date.now();
    const recording = this.#recording && { ...this.#recording, until };
    try {
      await store.merge(tasks, recording);
      // A crash in between reads these entries again, which changes nothing.
      await read?.acknowledge();
      this.#read = null;
      this.#writtenAt = Date.now();
      this.#writtenUntil = readUntil;
      this.#metrics?.wrote(tasks.length);
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

  #state(): MeasuredRecorder {
    const isWritten = this.#store !== null && !this.#failing;
    return { writtenUntil: this.#writtenUntil, buffered: this.lag, isWritten };
  }

  #unready(): string | null {
    if (this.#stopping.signal.aborted) return 'it stops';
    if (this.#store === null) return 'it waits for the store of the history';
    return this.#failing ? 'the history cannot be written' : null;
  }
}

function newRecording(from: number): Recording {
  return { id: `${hostname()}/${process.pid}/${uuid7()}`, from, until: from };
}
