import {
  BrokerUnavailable,
  ChordError,
  ResultBackendDisabledError,
  SyncSubtaskError,
  TaskFailedError,
  TaskRevokedError,
  TimeoutError,
  WorkflowError,
} from '../errors.ts';
import { longestTimerMs, systemClock } from '../lib/clock.ts';
import { withDeadline } from '../lib/deadline.ts';
import { type Duration, toMs } from '../lib/duration.ts';
import { decodeException } from '../protocol/exception.ts';
import {
  isException,
  isReady,
  type ResultRecord,
  type ResultTuple,
  type TaskState,
} from '../protocol/result-meta.ts';
import type { ResultBackend } from '../stores/backend.ts';
import { groupRecords } from '../stores/group-records.ts';
import { asTheyEnd, eachOf, gather } from './many.ts';
import { type Progress, progressOf } from './progress.ts';
import { collectFrom, graphOf, type ResultGraph, type ResultNode, treeOf } from './result-tree.ts';
import { taskScope } from './task-scope.ts';

/** Options of `get`. */
export interface GetOptions {
  /** Seconds, or text; default: as long as it takes. */
  readonly timeout?: Duration;
  /** Ends the waiting: `get` throws its reason. The task goes on. */
  readonly signal?: AbortSignal;
  /** false: an error is returned, not thrown. Default true. */
  readonly propagate?: boolean;
  /** Wait even inside of a task. Two tasks that wait for each other's slots would wait for ever: see SyncSubtaskError. */
  readonly allowSyncSubtasks?: boolean;
  /** Called with the record after each change of state that is noticed, including custom states with their meta. */
  readonly onProgress?: (record: ResultRecord) => void;
}

/** Options of `record`, `status` and `info`. */
export interface ReadResultOptions {
  /** How long the result backend may take to answer; default: its own patience, 10 s for a server. */
  readonly timeout?: Duration;
}

/** Options of `revoke`. */
export interface RevokeResultOptions {
  /** End running tasks, too. Default false: running tasks go on. */
  readonly terminate?: boolean;
  /** The signal for `terminate`, in a pool of processes. Default `SIGTERM`. */
  readonly signalName?: string;
}

/** What results need of their application. */
export interface ResultHome {
  /** @throws ResultBackendDisabledError */
  open(): ResultBackend | Promise<ResultBackend>;
  /** Resolves when the revocation is stored for workers that start later, and was sent to the others. */
  revoke(ids: readonly string[], options: RevokeResultOptions): Promise<void>;
  /** The number of messages in this queue that could run now. */
  waitingIn(queue: string): Promise<number>;
}

/** Where results are kept; null: nowhere. */
export type BackendSource = ResultBackend | null | ResultHome;

/** How long a `get` whose time is over may look for the reason that its error names, milliseconds. */
const explainMs = 2000;

/** What the sender of a call knows of it. */
interface KnownOfCall {
  readonly queue?: string | null;
  readonly rootId?: string | null;
}

/** The type of a result's value: for a task that returns a result it is Celery's tuple (see {@link AsyncResult.toJSON}). */
export type Returned<R> = Kept<Awaited<R>>;

type Kept<Value> = Value extends AsyncResult ? ResultTuple : Value;

/** The result of a call, which may not exist yet. `R` is the type that the task returns. Celery's AsyncResult. */
export class AsyncResult<R = unknown> {
  /** The task's id. */
  readonly id: string;
  /** The result of the task that sent this one, where that is known. */
  readonly parent: AsyncResult | null;
  /** The id of the workflow's first task, by which it can be cancelled as a whole (`control.revokeWorkflow`). Null unless this process sent it. */
  readonly rootId: string | null;
  readonly #source: BackendSource;
  readonly #queue: string | null;

  constructor(
    id: string,
    source: BackendSource,
    parent: AsyncResult | null = null,
    { queue = null, rootId = null }: KnownOfCall = {},
  ) {
    this.id = id;
    this.parent = parent;
    this.rootId = rootId;
    this.#source = source;
    this.#queue = queue;
  }

  /**
   * Waits for the task to end and returns its value.
   * @throws TaskFailedError with the type, message and stack of the task's error.
   * @throws TaskRevokedError when it was revoked or had expired.
   * @throws TimeoutError after `timeout`; the task may still run.
   * @throws The reason of `signal` when it is aborted.
   * @throws ResultBackendDisabledError when the application keeps no results.
   * @throws SyncSubtaskError inside of a task, unless `allowSyncSubtasks`.
   */
  get(options: GetOptions & { readonly propagate: false }): Promise<R | Error>;
  get(options?: GetOptions): Promise<R>;
  async get(options: GetOptions = {}): Promise<R | Error> {
    const record = await this.#wait(options);
    if (!isException(record.status)) return record.result as R; // the wire has no types
    const error = toError(record);
    if (options.propagate === false) return error;
    throw error;
  }

  /**
   * Its form on the wire, when a task returns it or gets it as an argument: Celery's tuple, `[[id, parent], null]`, for a group
   * `[[id, parent], [members]]`. `app.resultFromTuple`, and Python's `result_from_tuple`, read it.
   */
  toJSON(): ResultTuple {
    return toTuple(this);
  }

  /**
   * The state now. PENDING also when the task is not known: see {@link exists}.
   * @throws BrokerUnavailable when the store does not answer in time
   */
  async status(options?: ReadResultOptions): Promise<TaskState> {
    return (await this.record(options))?.status ?? 'PENDING';
  }

  /** Whether it has ended, with success or not. */
  async ready(): Promise<boolean> {
    return isReady(await this.status());
  }

  /**
   * Whether the task has succeeded.
   * @throws BrokerUnavailable when the store cannot be reached
   */
  async successful(): Promise<boolean> {
    return (await this.status()) === 'SUCCESS';
  }

  /**
   * Whether the task has failed.
   * @throws BrokerUnavailable when the store cannot be reached
   */
  async failed(): Promise<boolean> {
    return (await this.status()) === 'FAILURE';
  }

  /** The value, the error, or the meta of a custom state, as far as it is known now. Celery's `info`. */
  async info(options?: ReadResultOptions): Promise<unknown> {
    const record = await this.record(options);
    if (record === undefined) return null;
    return isException(record.status) ? toError(record) : record.result;
  }

  /** Celery's name for {@link status}. */
  state(): Promise<TaskState> {
    return this.status();
  }

  /** Celery's other name for {@link info}: what is known now, without waiting. {@link get} waits. */
  result(): Promise<unknown> {
    return this.info();
  }

  /** When it ended; null while it has not. Celery's `date_done`. */
  async dateDone(): Promise<Date | null> {
    return (await this.record())?.dateDone ?? null;
  }

  /** The remote stack or Python traceback, if the task has failed and it was sent along. */
  async traceback(): Promise<string | null> {
    return (await this.record())?.traceback ?? null;
  }

  /**
   * Whether the backend knows the task. On the embedded store this is so from when it was sent until its
   * result expires.
   */
  async exists(): Promise<boolean> {
    return (await this.record()) !== undefined;
  }

  /** Deletes its record. False when there was none. */
  async forget(): Promise<boolean> {
    return (await this.backend()).forget(this.id);
  }

  /**
   * Revokes the task: the worker that gets it ends it as REVOKED. A running task goes on, unless `terminate` is set. Does not wait for workers;
   * `Control.revoke` gathers their replies.
   * @throws BrokerUnavailable; WorkflowError for a result that was made without an application
   */
  revoke(options: RevokeResultOptions = {}): Promise<void> {
    return this.revokeAll([this.id], options);
  }

  /**
   * The progress of the workflow that ends with this result: its steps, the members of its groups, and the tasks of workflows that replaced its
   * steps. Known from the result that `delay` returned, and from its id alone if the result was kept by {@link save}. A member of a group
   * counts once, also when a workflow replaced it.
   */
  async progress(): Promise<Progress> {
    const isAlone = this.parent === null && !(this instanceof GroupResult);
    const whole = isAlone ? await this.#shapeOf(workflowKey(this.id)) : null;
    return progressOf(whole ?? this, (id) => this.#shapeOf(id));
  }

  /**
   * Keeps the shape of the workflow, for `app.result(id).progress()` in another process: under this id, and under the id of its first task
   * ({@link rootId}). A group is kept for `app.restoreGroup(id)`, and for `GroupResult.restore(id)` in Python (on Redis).
   * @throws WorkflowError where results are messages.
   */
  async save(): Promise<this> {
    const records = groupRecords(await this.backend());
    await records.put(this.id, toTuple(this));
    // A workflow that a task has sent must not replace the shape of the task's own workflow.
    if (this.rootId !== null && tasksOf(this).includes(this.rootId))
      await records.put(workflowKey(this.rootId), toTuple(this));
    return this;
  }

  async #shapeOf(id: string): Promise<AsyncResult | null> {
    const backend = await this.backend();
    if (backend.replyTo !== undefined) return null; // results are messages: nothing is kept
    return fromTuple(await groupRecords(backend).get(id), this.#source);
  }

  /** The results of the calls that the task has sent, for a group as a GroupResult; known when the task has ended. */
  async children(): Promise<readonly AsyncResult[]> {
    const record = await this.record();
    return (record?.children ?? []).flatMap((tuple) => fromTuple(tuple, this.#source, this) ?? []);
  }

  /** This result and all that it has started, as far as it is known now: children are known when their parent has ended. */
  tree(): Promise<ResultNode> {
    return treeOf(this);
  }

  /** Which task started which, from the beginning of the workflow: `toDot()` draws it, `JSON.stringify` keeps it. Celery's `graph`. */
  graph(): Promise<ResultGraph> {
    return graphOf(this);
  }

  /**
   * This result and all that it has started with their values, in sequence as they end: `[result, value]`.
   * @throws what `get` throws
   */
  collect(options: GetOptions = {}): AsyncGenerator<readonly [AsyncResult, unknown], void, undefined> {
    return collectFrom(this, options);
  }

  /**
   * Its record.
   * @throws BrokerUnavailable when the store does not answer in time
   * @example await app.result(id).record({ timeout: 2 }); // in the handler of a request
   */
  async record({ timeout }: ReadResultOptions = {}): Promise<ResultRecord | undefined> {
    const ms = timeout === undefined ? null : toMs(timeout, 'timeout');
    const read = this.backend().then((backend) => backend.get(this.id));
    if (ms === null) return read;
    return withDeadline(
      ms,
      read,
      () => new BrokerUnavailable(`the result backend has not answered within ${ms / 1000} s`),
    );
  }

  /** The record now, and then after each change, until the task has ended or `signal` is aborted. */
  async *watch(signal: AbortSignal): AsyncIterable<ResultRecord> {
    yield* (await this.backend()).watch(this.id, signal);
  }

  async #wait({ timeout, signal, onProgress, allowSyncSubtasks }: GetOptions): Promise<ResultRecord> {
    const ms = timeout === undefined ? null : toMs(timeout, 'timeout');
    signal?.throwIfAborted();
    const backend = await this.backend();
    const waiting = taskScope.getStore();
    // A task that was run in place has ended already.
    if (waiting !== undefined && allowSyncSubtasks !== true && backend.name !== 'eager')
      throw new SyncSubtaskError(waiting.name, this.id);
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const expired = new Error('the time is over');
    const timer =
      ms === null ? undefined : setTimeout(() => stop.abort(expired), Math.min(ms, longestTimerMs));
    try {
      for await (const record of backend.watch(this.id, stop.signal)) {
        if (isReady(record.status)) return record;
        onProgress?.(record);
      }
      stop.signal.throwIfAborted();
      throw new TimeoutError(`the store was closed before task ${this.id} ended`);
    } catch (error) {
      if (error !== expired) throw error;
      const late = `task ${this.id} did not end within ${(ms ?? 0) / 1000} s; it may still run`;
      throw new TimeoutError(`${late}${await this.#whereItWaits()}`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      stop.abort();
    }
  }

  /** The most frequent reason for waiting: no worker serves its queue. */
  async #whereItWaits(): Promise<string> {
    const [queue, source] = [this.#queue, this.#source];
    if (queue === null || source === null || !('waitingIn' in source)) return '';
    const done = new AbortController();
    try {
      const slow = systemClock.sleep(explainMs, done.signal).then(() => 0);
      const waiting = await Promise.race([source.waitingIn(queue), slow]);
      if (waiting === 0) return '';
      const messages = waiting === 1 ? 'a message waits' : `${waiting} messages wait`;
      return `. It was sent to the queue '${queue}', where ${messages}: does a worker serve it (umbel worker -Q ${queue})?`;
    } catch {
      return '';
    } finally {
      done.abort();
    }
  }

  /** The store of its record. */
  protected async backend(): Promise<ResultBackend> {
    const source = this.#source;
    if (source === null) throw new ResultBackendDisabledError(null);
    return 'open' in source ? source.open() : source;
  }

  /** Revokes tasks of the same application. */
  protected async revokeAll(ids: readonly string[], options: RevokeResultOptions): Promise<void> {
    const source = this.#source;
    if (source !== null && 'open' in source) return source.revoke(ids, options);
    if (source?.name !== 'eager')
      // a task that was run in place has ended
      throw new WorkflowError(
        `the result ${this.id} was made without an application: take it from app.result(id)`,
      );
  }
}

function toError(record: ResultRecord): Error {
  const remote = decodeException(record.result, record.traceback);
  if (record.status === 'REVOKED') return new TaskRevokedError(record.taskId, remote.message || 'revoked');
  return remote.type === 'ChordError'
    ? new ChordError(record.taskId, remote)
    : new TaskFailedError(record.taskId, remote);
}

/** The key of a workflow's shape, by the id of its first task. The id itself is the key of a workflow that replaced this task. */
function workflowKey(rootId: string): string {
  return `${rootId}.workflow`;
}

/** The type of one member's result. */
type Member<R> = R extends readonly (infer One)[] ? One : unknown;

/**
 * The results of a group's members. Its value is the list of their values, in their order; a member that is a group has a list as value.
 * Celery's GroupResult.
 */
export class GroupResult<R = readonly unknown[]> extends AsyncResult<R> {
  /** The members' results. */
  readonly results: readonly AsyncResult<Member<R>>[];

  constructor(
    id: string,
    results: readonly AsyncResult[],
    source: BackendSource,
    parent: AsyncResult | null = null,
    known: KnownOfCall = {},
  ) {
    super(id, source, parent, known);
    this.results = results as readonly AsyncResult<Member<R>>[]; // the wire has no types
  }

  /** The number of members. */
  get length(): number {
    return this.results.length;
  }

  /**
   * Waits for all members and returns their values. Fails with the first failure that it notices; with `propagate: false` errors stand in
   * the places of their members' values.
   * @throws what AsyncResult.get throws.
   */
  override get(options: GetOptions & { readonly propagate: false }): Promise<R>;
  override get(options?: GetOptions): Promise<R>;
  override async get(options: GetOptions = {}): Promise<R> {
    const values: unknown[] = await gather(this.results, options);
    return values as R; // as above
  }

  /** The members' results in the order in which they end. Leave the loop to stop waiting. */
  [Symbol.asyncIterator](): AsyncGenerator<AsyncResult<Member<R>>, void, undefined> {
    return asTheyEnd(this.results);
  }

  /** How many members have succeeded. */
  async completedCount(): Promise<number> {
    return (await this.#states()).filter((state) => state === 'SUCCESS').length;
  }

  /** SUCCESS when all members have succeeded, FAILURE when one has failed or was revoked, else PENDING. */
  override async status(options?: ReadResultOptions): Promise<TaskState> {
    const states = await this.#states(options);
    if (states.some((state) => state !== 'SUCCESS' && isReady(state))) return 'FAILURE';
    return states.every((state) => state === 'SUCCESS') ? 'SUCCESS' : 'PENDING';
  }

  /** Whether a member has not ended yet. */
  async waiting(): Promise<boolean> {
    return (await this.#states()).some((state) => !isReady(state));
  }

  /** Whether all members have ended, with success or not. */
  override async ready(): Promise<boolean> {
    return !(await this.waiting());
  }

  /** Deletes the records of all members, and what `save` kept. False when there was nothing. */
  override async forget(): Promise<boolean> {
    const backend = await this.backend();
    const forgotten = await eachOf(this.results, (result) => result.forget());
    const saved = backend.replyTo === undefined && (await groupRecords(backend).forget(this.id));
    return saved || forgotten.some(Boolean);
  }

  /**
   * Revokes all members that have not begun, and the tasks before them in a chain; see {@link AsyncResult.revoke}. A chord that waits for
   * the group fails.
   */
  override revoke(options: RevokeResultOptions = {}): Promise<void> {
    return this.revokeAll(this.results.flatMap(tasksOf), options);
  }

  /** The members. */
  override async children(): Promise<readonly AsyncResult[]> {
    return this.results;
  }

  /** A group has no record of its own. */
  override async record(): Promise<ResultRecord | undefined> {
    return undefined;
  }

  #states(options?: ReadResultOptions): Promise<readonly TaskState[]> {
    return eachOf(this.results, (result) => result.status(options));
  }
}

/** The ids of a member's tasks: of its steps, or of all tasks of a group. */
function tasksOf(result: AsyncResult): readonly string[] {
  const own = result instanceof GroupResult ? result.results.flatMap(tasksOf) : [result.id];
  return result.parent === null ? own : [...tasksOf(result.parent), ...own];
}

/** Celery's tuple of a result: `[[id, parent], null]`, for a group `[[id, parent], [members]]`. */
export function toTuple(result: AsyncResult): ResultTuple {
  const parent = result.parent === null ? null : toTuple(result.parent);
  return [[result.id, parent], result instanceof GroupResult ? result.results.map(toTuple) : null];
}

/** The result for Celery's tuple; older programs write a bare id. Null when it is neither. */
export function fromTuple(
  tuple: unknown,
  source: BackendSource,
  parent: AsyncResult | null = null,
): AsyncResult | null {
  if (typeof tuple === 'string') return new AsyncResult(tuple, source, parent);
  if (!Array.isArray(tuple)) return null;
  const [self, members] = tuple;
  const id: unknown = Array.isArray(self) ? self[0] : self;
  if (typeof id !== 'string') return null;
  const above = (Array.isArray(self) && self[1] ? fromTuple(self[1], source) : null) ?? parent;
  if (!Array.isArray(members)) return new AsyncResult(id, source, above);
  return new GroupResult(
    id,
    members.flatMap((member) => fromTuple(member, source) ?? []),
    source,
    above,
  );
}
