import { ResultBackendDisabledError, TaskFailedError, TaskRevokedError, TimeoutError } from '../errors.ts';
import { longestTimerMs } from '../lib/clock.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { decodeException } from '../protocol/exception.ts';
import {
  isException,
  isReady,
  type ResultRecord,
  type ResultTuple,
  type TaskState,
} from '../protocol/result-meta.ts';
import type { ResultBackend } from './backend.ts';

/** How `get` waits. */
export interface GetOptions {
  /** Seconds, or text; default: as long as it takes. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
  /** false: an error is returned, not thrown. Default true. */
  readonly propagate?: boolean;
  /** Called with the record after each change of state that is seen, custom states and their meta included. */
  readonly onProgress?: (record: ResultRecord) => void;
}

/** A backend, or how to come by it; null: none is configured. */
export type BackendSource = ResultBackend | null | (() => Promise<ResultBackend | null>);

/** The result of a call, now or later. `R` is what the task returns. Celery's AsyncResult. */
export class AsyncResult<R = unknown> {
  /** The task's id. */
  readonly id: string;
  /** The result of the task that sent this one, where that is known. */
  readonly parent: AsyncResult | null;
  readonly #source: BackendSource;

  constructor(id: string, source: BackendSource, parent: AsyncResult | null = null) {
    this.id = id;
    this.parent = parent;
    this.#source = source;
  }

  /**
   * Waits for the task to end and returns its value.
   * @throws TaskFailedError with the type, message and stack of what the task threw.
   * @throws TaskRevokedError when it was revoked or had expired.
   * @throws TimeoutError after `timeout`; the task may still run.
   * @throws The reason of `signal` when it is aborted.
   * @throws ResultBackendDisabledError when the application keeps no results.
   */
  get(options: GetOptions & { readonly propagate: false }): Promise<R | Error>;
  get(options?: GetOptions): Promise<R>;
  async get(options: GetOptions = {}): Promise<R | Error> {
    const record = await this.#wait(options);
    if (!isException(record.status)) return record.result as R; // the one promise that the types make for the wire
    const error = toError(record);
    if (options.propagate === false) return error;
    throw error;
  }

  /** The state now. PENDING also when nothing is known of the task: see {@link exists}. */
  async status(): Promise<TaskState> {
    return (await this.record())?.status ?? 'PENDING';
  }

  /** Whether it has ended, well or badly. */
  async ready(): Promise<boolean> {
    return isReady(await this.status());
  }

  async successful(): Promise<boolean> {
    return (await this.status()) === 'SUCCESS';
  }

  async failed(): Promise<boolean> {
    return (await this.status()) === 'FAILURE';
  }

  /** The value, the error, or the meta of a custom state: whatever is known now. Celery's `info`. */
  async info(): Promise<unknown> {
    const record = await this.record();
    if (record === undefined) return null;
    return isException(record.status) ? toError(record) : record.result;
  }

  /** The remote stack or Python traceback, if the task has failed and it was sent along. */
  async traceback(): Promise<string | null> {
    return (await this.record())?.traceback ?? null;
  }

  /**
   * Whether anything is known of the task. On the embedded store that is so from the moment it was sent until its
   * result expires.
   */
  async exists(): Promise<boolean> {
    return (await this.record()) !== undefined;
  }

  /** Deletes what is kept of it. False when there was nothing. */
  async forget(): Promise<boolean> {
    return (await this.#backend()).forget(this.id);
  }

  /** The results of the calls that the task has sent; known when it has ended. */
  async children(): Promise<readonly AsyncResult[]> {
    const record = await this.record();
    return (record?.children ?? []).flatMap((tuple) => {
      const id = idOf(tuple);
      return id === null ? [] : [new AsyncResult(id, this.#source, this)];
    });
  }

  /** All that is kept of it. */
  async record(): Promise<ResultRecord | undefined> {
    return (await this.#backend()).get(this.id);
  }

  /** What is kept now, and then after each change, until the task has ended or `signal` is aborted. */
  async *watch(signal: AbortSignal): AsyncIterable<ResultRecord> {
    yield* (await this.#backend()).watch(this.id, signal);
  }

  async #wait({ timeout, signal, onProgress }: GetOptions): Promise<ResultRecord> {
    const ms = timeout === undefined ? null : toMs(timeout, 'timeout');
    signal?.throwIfAborted();
    const backend = await this.#backend();
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const expired = new TimeoutError(
      `task ${this.id} did not end within ${(ms ?? 0) / 1000} s; it may still run`,
    );
    const timer =
      ms === null ? undefined : setTimeout(() => stop.abort(expired), Math.min(ms, longestTimerMs));
    try {
      for await (const record of backend.watch(this.id, stop.signal)) {
        if (isReady(record.status)) return record;
        onProgress?.(record);
      }
      stop.signal.throwIfAborted();
      throw new TimeoutError(`the store was closed before task ${this.id} ended`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      stop.abort();
    }
  }

  async #backend(): Promise<ResultBackend> {
    const backend = typeof this.#source === 'function' ? await this.#source() : this.#source;
    if (backend === null) throw new ResultBackendDisabledError(null);
    return backend;
  }
}

function toError(record: ResultRecord): Error {
  const remote = decodeException(record.result, record.traceback);
  if (record.status === 'REVOKED') return new TaskRevokedError(record.taskId, remote.message || 'revoked');
  return new TaskFailedError(record.taskId, remote);
}

/** Celery's tuple of a task's result is `[[id, parent], null]`. */
function idOf(tuple: ResultTuple): string | null {
  const [self] = tuple;
  const id = Array.isArray(self) ? self[0] : self;
  return typeof id === 'string' ? id : null;
}
