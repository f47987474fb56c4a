import {
  ChordError,
  ResultBackendDisabledError,
  SyncSubtaskError,
  TaskFailedError,
  TaskRevokedError,
  TimeoutError,
  WorkflowError,
} from '../errors.ts';
import { longestTimerMs, systemClock } from '../lib/clock.ts';
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

/** How `get` waits. */
export interface GetOptions {
  /** Seconds, or text; default: as long as it takes. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
  /** false: an error is returned, not thrown. Default true. */
  readonly propagate?: boolean;
  /** Wait even inside of a task. Two tasks that wait for each other's slots wait for ever: see SyncSubtaskError. */
  readonly allowSyncSubtasks?: boolean;
  /** Called with the record after each change of state that is seen, custom states and their meta included. */
  readonly onProgress?: (record: ResultRecord) => void;
}

/** How `revoke` stops tasks. */
export interface RevokeResultOptions {
  /** End those that run, too. Default false: what runs goes on. */
  readonly terminate?: boolean;
  /** Of `terminate`: for a pool of processes. Default `SIGTERM`. */
  readonly signalName?: string;
}

/** An application, as far as its results need it. */
export interface ResultHome {
  /** @throws ResultBackendDisabledError */
  open(): ResultBackend | Promise<ResultBackend>;
  /** Resolves when the workers that live have been told, and those that start later will know. */
  revoke(ids: readonly string[], options: RevokeResultOptions): Promise<void>;
  /** How many messages could be run in this queue, if nobody held them up. */
  waitingIn(queue: string): Promise<number>;
}

/** Where the results are kept; null: nowhere. */
export type BackendSource = ResultBackend | null | ResultHome;

/** How long one that has waited in vain is kept for a better message. Milliseconds. */
const pollIntervalMs = 2000;

/** What who sent a call knows of it. */
interface KnownOfCall {
  readonly queue?: string | null;
  readonly rootId?: string | null;
}

/** What comes of what a task's code returns: of a result Celery's tuple (see {@link AsyncResult.toJSON}), of all else its value. */
export type Returned<R> = Kept<Awaited<R>>;

type Kept<Value> = Value extends AsyncResult ? ResultTuple : Value;

/** The result of a call, now or later. `R` is what the task returns. Celery's AsyncResult. */
export class AsyncResult<R = unknown> {
  /** The task's id. */
  readonly id: string;
  /** The result of the task that sent this one, where that is known. */
  readonly parent: AsyncResult | null;
  /** The id of the workflow's first task, by which it can be cancelled as a whole (`control.revokeWorkflow`). Known to who sent it; else null. */
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
   * @throws TaskFailedError with the type, message and stack of what the task threw.
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
    if (!isException(record.status)) return record.result as R; // the one promise that the types make for the wire
    const error = toError(record);
    if (options.propagate === false) return error;
    throw error;
  }

  /**
   * As it travels, when a task returns it or gets it as an argument: Celery's tuple, `[[id, parent], null]`, of a group
   * `[[id, parent], [members]]`. `app.resultFromTuple`, and Python's `result_from_tuple`, make a result of it again.
   */
  toJSON(): ResultTuple {
    return toTuple(this);
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
   * Whether anything is known of the task. On the embedded store that is so from the moment it was sent until its
   * result expires.
   */
  async exists(): Promise<boolean> {
    return (await this.record()) !== undefined;
  }

  /** Deletes what is kept of it. False when there was nothing. */
  async forget(): Promise<boolean> {
    return (await this.backend()).forget(this.id);
  }

  /**
   * The task is not to run: the worker that gets it ends it as REVOKED. What runs already goes on, unless `terminate`. Does not wait for
   * workers; `Control.revoke` gathers what they say.
   * @throws BrokerUnavailable; WorkflowError for a result that no application made
   */
  revoke(options: RevokeResultOptions = {}): Promise<void> {
    return this.revokeAll([this.id], options);
  }

  /**
   * How far the workflow that ends with this result has come: its steps, the members of its groups, and the steps and members of what its
   * steps have put in their place. Known from the result that `delay` gave, and from its id alone if that one was kept by {@link save}.
   * A member of a group counts as one, whatever takes its place.
   */
  async progress(): Promise<Progress> {
    const isAlone = this.parent === null && !(this instanceof GroupResult);
    const whole = isAlone ? await this.#shapeOf(workflowKey(this.id)) : null;
    return progressOf(whole ?? this, (id) => this.#shapeOf(id));
  }

  /**
   * Keeps what the workflow is made of, for `app.result(id).progress()` in another process: by this id, and by that of the workflow's
   * first task ({@link rootId}). A group: for `app.restoreGroup(id)`, or `GroupResult.restore(id)` in Python (on Redis).
   * @throws WorkflowError where results are messages.
   */
  async save(): Promise<this> {
    const records = groupRecords(await this.backend());
    await records.put(this.id, toTuple(this));
    // That of a workflow that a task has sent is not for it to describe.
    if (this.rootId !== null && tasksOf(this).includes(this.rootId))
      await records.put(workflowKey(this.rootId), toTuple(this));
    return this;
  }

  async #shapeOf(id: string): Promise<AsyncResult | null> {
    const backend = await this.backend();
    if (backend.replyTo !== undefined) return null; // kept nowhere
    return fromTuple(await groupRecords(backend).get(id), this.#source);
  }

  /** The results of the calls that the task has sent, of a group as a GroupResult; known when it has ended. */
  async children(): Promise<readonly AsyncResult[]> {
    const record = await this.record();
    return (record?.children ?? []).flatMap((tuple) => fromTuple(tuple, this.#source, this) ?? []);
  }

  /** This and all that it has started, as far as that is known now: children when their parent has ended. */
  tree(): Promise<ResultNode> {
    return treeOf(this);
  }

  /** What led to what, from the beginning of the workflow: `toDot()` draws it, `JSON.stringify` keeps it. Celery's `graph`. */
  graph(): Promise<ResultGraph> {
    return graphOf(this);
  }

  /**
   * This and all that it has started with their values, one after another as they end: `[result, value]`.
   * @throws what `get` throws
   */
  collect(options: GetOptions = {}): AsyncGenerator<readonly [AsyncResult, unknown], void, undefined> {
    return collectFrom(this, options);
  }

  /** All that is kept of it. */
  async record(): Promise<ResultRecord | undefined> {
    return (await this.backend()).get(this.id);
  }

  /** What is kept now, and then after each change, until the task has ended or `signal` is aborted. */
  async *watch(signal: AbortSignal): AsyncIterable<ResultRecord> {
    yield* (await this.backend()).watch(this.id, signal);
  }

  async #wait({ timeout, signal, onProgress, allowSyncSubtasks }: GetOptions): Promise<ResultRecord> {
    const ms = timeout === undefined ? null : toMs(timeout, 'timeout');
    signal?.throwIfAborted();
    const backend = await this.backend();
    const waiting = taskScope.getStore();
    // What was run in place has ended already.
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

  /** What makes a task wait most often: nobody serves its queue. */
  async #whereItWaits(): Promise<string> {
    const [queue, source] = [this.#queue, this.#source];
    if (queue === null || source === null || !('waitingIn' in source)) return '';
    const done = new AbortController();
    try {
      const slow = systemClock.sleep(pollIntervalMs, done.signal).then(() => 0);
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

  /** The store that its record is in. */
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
      // what was run in place has ended
      throw new WorkflowError(`nobody knows who would run ${this.id}: take its result from app.result(id)`);
  }
}

function toError(record: ResultRecord): Error {
  const remote = decodeException(record.result, record.traceback);
  if (record.status === 'REVOKED') return new TaskRevokedError(record.taskId, remote.message || 'revoked');
  return remote.type === 'ChordError'
    ? new ChordError(record.taskId, remote)
    : new TaskFailedError(record.taskId, remote);
}

/** Under which a workflow is kept by the id of its first task, which may itself be replaced by one. */
function workflowKey(rootId: string): string {
  return `${rootId}.workflow`;
}

/** What one member of a group gives. */
type Member<R> = R extends readonly (infer One)[] ? One : unknown;

/**
 * The results of a group's members. Its value is the list of theirs, in their order; a member that is a group itself gives a list.
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
    this.results = results as readonly AsyncResult<Member<R>>[]; // the one promise that the types make for the wire
  }

  /** How many members it has. */
  get length(): number {
    return this.results.length;
  }

  /**
   * Waits for all members and returns their values. Fails with the first failure that it sees; with `propagate: false` errors are in
   * the places of their members' values.
   * @throws what AsyncResult.get throws.
   */
  override get(options: GetOptions & { readonly propagate: false }): Promise<R>;
  override get(options?: GetOptions): Promise<R>;
  override async get(options: GetOptions = {}): Promise<R> {
    const values: unknown[] = await gather(this.results, options);
    return values as R; // as above
  }

  /** The members' results, the first to end first. Stop the loop to stop waiting. */
  [Symbol.asyncIterator](): AsyncGenerator<AsyncResult<Member<R>>, void, undefined> {
    return asTheyEnd(this.results);
  }

  /** How many members have ended well. */
  async completedCount(): Promise<number> {
    return (await this.#states()).filter((state) => state === 'SUCCESS').length;
  }

  /** SUCCESS when all members have succeeded, FAILURE when one has failed or was revoked, else PENDING. */
  override async status(): Promise<TaskState> {
    const states = await this.#states();
    if (states.some((state) => state !== 'SUCCESS' && isReady(state))) return 'FAILURE';
    return states.every((state) => state === 'SUCCESS') ? 'SUCCESS' : 'PENDING';
  }

  /** Whether a member has not ended yet. */
  async waiting(): Promise<boolean> {
    return (await this.#states()).some((state) => !isReady(state));
  }

  /** Whether all members have ended, well or badly. */
  override async ready(): Promise<boolean> {
    return !(await this.waiting());
  }

  /** Deletes what is kept of all members, and what `save` kept. False when there was nothing. */
  override async forget(): Promise<boolean> {
    const backend = await this.backend();
    const forgotten = await eachOf(this.results, (result) => result.forget());
    const saved = backend.replyTo === undefined && (await groupRecords(backend).forget(this.id));
    return saved || forgotten.some(Boolean);
  }

  /**
   * No member that has not begun is to run, nor what goes before it in a chain; see {@link AsyncResult.revoke}. A chord that waits for
   * the group fails.
   */
  override revoke(options: RevokeResultOptions = {}): Promise<void> {
    return this.revokeAll(this.results.flatMap(tasksOf), options);
  }

  override async children(): Promise<readonly AsyncResult[]> {
    return this.results;
  }

  /** A group has no record of its own. */
  override async record(): Promise<ResultRecord | undefined> {
    return undefined;
  }

  #states(): Promise<readonly TaskState[]> {
    return eachOf(this.results, (result) => result.status());
  }
}

/** The ids of a member's tasks: its steps, of a group all of them. */
function tasksOf(result: AsyncResult): readonly string[] {
  const own = result instanceof GroupResult ? result.results.flatMap(tasksOf) : [result.id];
  return result.parent === null ? own : [...tasksOf(result.parent), ...own];
}

/** Celery's tuple of a result: `[[id, parent], null]`, of a group `[[id, parent], [members]]`. */
export function toTuple(result: AsyncResult): ResultTuple {
  const parent = result.parent === null ? null : toTuple(result.parent);
  return [[result.id, parent], result instanceof GroupResult ? result.results.map(toTuple) : null];
}

/** The result of Celery's tuple; older ones are a bare id. Null when it is none. */
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
