// Watching one record: subscribes first and reads then, so that nothing is missed in between.
import { BrokerUnavailable, StoreError } from '../errors.ts';
import { backoffDelay } from '../lib/backoff.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';

export interface RecordSubscriber {
  onMessage(text: string): void;
  /** Publications may have been missed. */
  onGap(): void;
}

/** Announcements of written records. */
export interface RecordSubscriptions {
  /**
   * Resolves when all announcements from then on are received.
   * @throws BrokerUnavailable when the server does not confirm in time
   */
  add(channel: string, subscriber: RecordSubscriber): Promise<void>;
  remove(channel: string, subscriber: RecordSubscriber): void;
}

export interface RecordSource {
  /** The record's key, and its channel. */
  readonly key: string;
  readonly subscriptions: RecordSubscriptions;
  /** Ends all watches. */
  readonly closed: OneShotEvent;
  read(): Promise<string | null>;
  /** @throws StoreError for text that is no record */
  decode(text: string): ResultRecord;
}

/** An event that happens once. Unlike an AbortSignal it is cheap with thousands of listeners. */
export class OneShotEvent {
  #closed = false;
  readonly #listeners = new Set<() => void>();

  get isOver(): boolean {
    return this.#closed;
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  listen(listener: () => void): () => void {
    if (this.#closed) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** See `ResultBackend.watch`. Its iterator's `return()` also ends a `next()` that waits. */
export function watchRecord(source: RecordSource, signal: AbortSignal): AsyncIterable<ResultRecord> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<ResultRecord> {
      const watch = new RecordWatch(source, signal);
      const records = watch.records();
      return {
        next: () => records.next(),
        return: () => {
          watch.end();
          return records.return(undefined);
        },
      };
    },
  };
}

const retryPolicy = { factor: 50, maximum: 2000, jitter: true } as const;

class RecordWatch {
  readonly #source: RecordSource;
  readonly #signal: AbortSignal;
  readonly #closed: OneShotEvent = new OneShotEvent();
  /** The newest publication that was not handled. */
  #pushed: string | null = null;
  /** The key must be read: at first, and when publications may have been missed. */
  #mustRead = true;
  #wake = (): void => {};
  #leave = (): void => {};

  constructor(source: RecordSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  readonly end = (): void => {
    this.#closed.end();
    this.#wake();
  };

  async *records(): AsyncGenerator<ResultRecord, void, undefined> {
    if (this.#signal.aborted || this.#closed.isOver) return;
    try {
      if ((await this.#unlessClosed(this.#join())) !== over) yield* this.#changes();
    } finally {
      this.#leave();
    }
  }

  /** Resolves when all publications from now on are received. */
  #join(): Promise<void> {
    const { key, subscriptions, closed } = this.#source;
    const subscriber = {
      onMessage: (text: string): void => {
        // Celery stores RETRY after it has sent the retry, which may have ended already: an ended task stays ended.
        if (this.#pushed === null || !ended.test(this.#pushed)) this.#pushed = text;
        this.#wake();
      },
      onGap: (): void => {
        this.#mustRead = true;
        this.#wake();
      },
    };
    this.#signal.addEventListener('abort', this.end, { once: true });
    const unlisten = closed.listen(this.end);
    this.#leave = () => {
      this.#leave = () => {};
      this.#signal.removeEventListener('abort', this.end);
      unlisten();
      subscriptions.remove(key, subscriber);
    };
    return subscriptions.add(key, subscriber);
  }

  async *#changes(): AsyncGenerator<ResultRecord, void, undefined> {
    let seen: string | null = null;
    // Not `retrying`: a record that is published during a pause replaces the read.
    let failures = -1; // -1: before the first answer. Until then a server that is down is an error, later an interruption.
    while (!this.#closed.isOver) {
      const pushed = this.#pushed;
      let text = pushed;
      if (pushed !== null) this.#pushed = null;
      else if (this.#mustRead) {
        this.#mustRead = false;
        try {
          const read = await this.#unlessClosed(this.#source.read());
          if (read === over) return;
          failures = 0;
          text = read;
        } catch (error) {
          if (failures < 0 || !(error instanceof BrokerUnavailable)) throw error;
          this.#mustRead = true;
          await this.#pause(backoffDelay(retryPolicy, failures++));
          continue;
        }
        // A record that was published meanwhile is newer, or the same.
        if (this.#pushed !== null || this.#mustRead) continue;
      } else {
        await new Promise<void>((woken) => (this.#wake = woken));
        continue;
      }
      if (text === null || text === seen) continue;
      const record = this.#decode(text, pushed !== null);
      if (record === null) continue;
      seen = text;
      const last = isReady(record.status);
      // Before it is yielded: the reader of the end may never call `next()` again.
      if (last) this.#leave();
      yield record;
      if (last) return;
    }
  }

  /** Null: the published text is no record; the key is read next. */
  #decode(text: string, published: boolean): ResultRecord | null {
    try {
      return this.#source.decode(text);
    } catch (error) {
      if (!published || !(error instanceof StoreError)) throw error;
      this.#mustRead = true;
      return null;
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(() => {
        unlisten();
        done();
      }, ms);
      const unlisten = this.#closed.listen(() => {
        clearTimeout(timer);
        done();
      });
    });
  }

  #unlessClosed<T>(promise: Promise<T>): Promise<T | typeof over> {
    return new Promise((resolve, reject) => {
      const unlisten = this.#closed.listen(() => resolve(over));
      promise.then(resolve, reject).finally(unlisten);
    });
  }
}

/** The state is the first member of a record, in ours and in Python's. */
const ended = /^\{"status": ?"(?:SUCCESS|FAILURE|REVOKED)"/;

const over = Symbol('over');
