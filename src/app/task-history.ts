// The history of an application's tasks, as `umbel recorder` writes it.
import type { SendOptions } from '../config/call-options.ts';
import type { Rate } from '../config/rate.ts';
import type { FacetField } from '../history/fields.ts';
import type { RecordedState, TaskRecord } from '../history/record.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { HistoryFilter, HistoryPage, HistorySize, HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import type { RetryJob, RetryJobStatus } from './retry-job.ts';

/** Which tasks of the history to list, in which order. */
export interface HistoryListOptions {
  /** A field (`seen`, `ended`, `runtime` …), with `-` in front for descending order. Default `-seen`: the newest task first. */
  readonly sort?: string;
  /** Tasks on a page. Default 25, at most 1,000. */
  readonly limit?: number;
  /** The `next` of the previous page, which had the same query and sort. */
  readonly after?: string;
}

/** What is different when a task runs again. */
export interface RetryTaskChanges
  extends Pick<SendOptions, 'queue' | 'priority' | 'eta' | 'countdown' | 'kwargs'> {
  /** Other positional arguments for the new run. */
  readonly args?: readonly unknown[];
}

/** How many tasks run again. Default of `queue` and `priority`: those of the old tasks. */
export interface RetryAllOptions extends Pick<RetryTaskChanges, 'queue' | 'priority'> {
  /** New runs sent in a second (a number), or `'10/s'`, `'100/m'`; 0: as fast as the broker takes them. Default `'50/s'`. */
  readonly rate?: Rate;
  /**
   * The job pauses when more than this share of the new runs fail (0.05: 5 %) of those that ended since it was started or resumed. It is checked when 20
   * of them have ended, or all. It needs a recorder that runs. Default: the job never pauses by itself.
   */
  readonly stopAt?: number;
  /** Includes tasks that were run again before. Default false. */
  readonly again?: boolean;
  /**
   * Names of the tasks that workers have registered. A task that is neither among them nor defined in this application is refused. Default: this is not
   * checked.
   */
  readonly registered?: Iterable<string>;
  /** False: only makes the job, in the state `planning`; `job.prepare()` finds its tasks. Default true: resolves when they are found. */
  readonly prepare?: boolean;
  /** For people: the user who starts the job. Default: the user of this process, and its host. */
  readonly by?: string;
  /** For people. Default: empty. */
  readonly reason?: string;
  /** Stops the preflight. */
  readonly signal?: AbortSignal;
}

/** The size of the history, and the times that it covers. */
export interface HistoryStatus extends HistorySize {
  /** The file, or the server. */
  readonly location: string;
  /** When a recorder last listened, milliseconds since 1970; null: none ever has. */
  readonly recordedUntil: number | null;
  /** Times in which no recorder listened, so that events were lost; milliseconds since 1970. */
  readonly gaps: readonly { readonly from: number; readonly until: number }[];
}

/**
 * The history of tasks, which a recorder (`umbel recorder`) writes. The guide to operations describes the query language; an empty query, the
 * default, means all tasks. Every method throws QuerySyntaxError for a query that it cannot read, and StoreError or BrokerUnavailable when the
 * store cannot be read.
 */
export class TaskHistory {
  readonly #app: App;
  #opening: Promise<HistoryStore> | null = null;
  #closed = false;

  constructor(app: App) {
    this.#app = app;
  }

  /**
   * A page of tasks.
   * @example const { tasks, next } = await app.history.list('state:failure name:mail.* ended:<1h');
   */
  async list(query = '', options: HistoryListOptions = {}): Promise<HistoryPage> {
    const { sort = '-seen', limit = 25, after = null } = options;
    const { readListing } = await import('./history-work.ts');
    const listing = readListing(query, sort, limit, after);
    return (await this.#written())?.list(listing) ?? { tasks: [], next: null };
  }

  /** The record of a task; undefined: the history has no event of it. */
  async get(id: string): Promise<TaskRecord | undefined> {
    return (await (await this.#written())?.get(id)) ?? undefined;
  }

  /**
   * Runs an ended task again, in its queue and with its priority and arguments unless `changes` has others: a new task with an id of its own. The
   * records of the two name each other (`retryOf`, `retriedAs`). The retry is a single task: callbacks, chains and chords of the old one do not follow it.
   * @throws TaskNotRetriableError if it has not ended, or its arguments are not known whole (too long, with a secret, of a Python program);
   * ConfigError, and what `app.send` throws
   * @example const again = await app.history.retry(id, { queue: 'slow' });
   */
  async retry(id: string, changes: RetryTaskChanges = {}): Promise<AsyncResult<unknown>> {
    await this.#app.audit.record('task.retry', id);
    const { retryTask } = await import('./retry-task.ts');
    return retryTask(this.#app, await this.#store(), id, changes);
  }

  /**
   * Prepares a job that runs all tasks again that a query finds, the oldest first. The job is kept with the history. The preflight refuses tasks that have
   * not ended, whose arguments are not known whole or do not fit the task's schema, whose task is not registered any more, or that were run
   * again already. Nothing is sent before `job.run()`.
   * @throws ConfigError, QuerySyntaxError; the reason of `signal`
   * @example
   * const job = await app.history.retryAll('state:failure name:mail.* ended:<1h', { rate: '50/s', stopAt: 0.05 });
   * const { open, refused, problems } = await job.status(); // the preflight's counts and reasons
   * const { state, pauseReason } = await job.run(); // 'done'; or 'paused', '3 of 20 new runs failed again (15 %)'
   */
  async retryAll(query: string, options: RetryAllOptions = {}): Promise<RetryJob> {
    const { planRetryJob } = await import('./plan-retry-job.ts');
    return planRetryJob(this.#app, await this.#store(), query, options);
  }

  /** A job of `retryAll`. Its methods throw RetryJobError if no job has this id. */
  async retryJob(id: string): Promise<RetryJob> {
    const { RetryJob } = await import('./retry-job.ts');
    const store = await this.#store();
    return new RetryJob(id, this.#app, store, await store.openJobs());
  }

  /** The jobs of `retryAll`, the newest first; `limit`: default 20. Jobs that have ended are deleted after a week, when a new job is made. */
  async retryJobs(limit = 20): Promise<readonly RetryJobStatus[]> {
    const jobs = (await (await (await this.#written())?.openJobs())?.list(limit)) ?? [];
    return Promise.all(jobs.map(async ({ id }) => (await this.retryJob(id)).status()));
  }

  /** The number of tasks in each state; states without a task are left out. */
  async counts(query = ''): Promise<Readonly<Partial<Record<RecordedState, number>>>> {
    const filter = await filterOf(query);
    return Object.fromEntries((await (await this.#written())?.counts(filter)) ?? []);
  }

  /** The most frequent values of a field, with their numbers of tasks; value null: unknown. `limit`: default 20. */
  async countsBy(
    field: FacetField,
    query = '',
    limit = 20,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]> {
    const filter = await filterOf(query);
    return (await this.#written())?.facet(field, filter, limit) ?? [];
  }

  /**
   * How many tasks the history has, since when, and whether a recorder writes it.
   * @throws StoreError when it cannot be read
   */
  async status(): Promise<HistoryStatus> {
    const missing = await this.#missing();
    if (missing !== null)
      return { tasks: 0, bytes: 0, oldestAt: null, location: missing, recordedUntil: null, gaps: [] };
    const store = await this.#store();
    const { gapsBetween, shortestGap } = await import('../history/gaps.ts');
    const [size, recordings] = await Promise.all([store.size(), store.recordings()]);
    return {
      ...size,
      location: store.location,
      recordedUntil: recordings.length === 0 ? null : Math.max(...recordings.map(({ until }) => until)),
      gaps: gapsBetween(recordings, shortestGap),
    };
  }

  /** @internal */
  async close(): Promise<void> {
    this.#closed = true;
    const opening = this.#opening;
    this.#opening = null;
    await (await opening?.catch(() => null))?.close();
  }

  /** @throws ConfigError when the application is closed: nobody would close what was opened then. */
  async #store(): Promise<HistoryStore> {
    if (this.#closed) throw this.#app.closedError();
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** The store, for a question; null: nothing was written yet, and a question does not make its file. */
  async #written(): Promise<HistoryStore | null> {
    return (await this.#missing()) === null ? this.#store() : null;
  }

  /** The file that is not there yet; null: it is there. */
  async #missing(): Promise<string | null> {
    if (this.#opening !== null) return null;
    return (await import('./history-work.ts')).missingHistory(this.#app.config);
  }

  async #open(): Promise<HistoryStore> {
    try {
      return await (await import('./history-work.ts')).openHistoryOf(this.#app.config);
    } catch (error) {
      this.#opening = null; // the next call tries again
      throw error;
    }
  }
}

async function filterOf(query: string): Promise<HistoryFilter> {
  return (await import('./history-work.ts')).readFilter(query);
}
