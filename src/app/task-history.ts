// The history of an application's tasks, as `umbel recorder` writes it.
import type { FacetField } from '../history/fields.ts';
import type { RecordedState, TaskRecord } from '../history/record.ts';
import type { HistoryFilter, HistoryPage, HistorySize, HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';

export interface HistoryListOptions {
  /** `seen`, `-ended`, `-runtime` …: a field, and `-` for the highest first. Default `-seen`: what was sent last comes first. */
  readonly sort?: string;
  /** At most so many on a page. Default 25, at most 1,000. */
  readonly limit?: number;
  /** The `next` of the page before, of the same query and sort. */
  readonly after?: string;
}

/** What the history holds, and since when. */
export interface HistoryStatus extends HistorySize {
  /** The file. */
  readonly location: string;
  /** Until when a recorder has listened, milliseconds since 1970; null: none has. */
  readonly recordedUntil: number | null;
  /** Times in which no recorder listened: what was told then is not known. Milliseconds since 1970. */
  readonly gaps: readonly { readonly from: number; readonly until: number }[];
}

/** A recorder writes more often; what is shorter may be none. Milliseconds. */
const shortestGap = 1_000;

/**
 * What became of each task: what a recorder (`umbel recorder`) has heard and kept. The language of queries is in the guide to operations; an
 * empty one, the default, means all tasks. Every method throws QuerySyntaxError for a query that cannot be understood, StoreError and
 * BrokerUnavailable when the store cannot be read.
 */
export class TaskHistory {
  readonly #app: App;
  #opening: Promise<HistoryStore> | null = null;

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
    return (await this.#store()).list(listing);
  }

  /** Undefined: nothing is known of it. */
  async get(id: string): Promise<TaskRecord | undefined> {
    return (await (await this.#store()).get(id)) ?? undefined;
  }

  /** How many tasks there are of each state; states without one are left out. */
  async counts(query = ''): Promise<Readonly<Partial<Record<RecordedState, number>>>> {
    const filter = await filterOf(query);
    return Object.fromEntries(await (await this.#store()).counts(filter));
  }

  /** The most frequent values of a field, with their numbers of tasks; null: unknown. `limit`: default 20. */
  async countsBy(
    field: FacetField,
    query = '',
    limit = 20,
  ): Promise<readonly (readonly [value: string | null, tasks: number])[]> {
    const filter = await filterOf(query);
    return (await this.#store()).facet(field, filter, limit);
  }

  async status(): Promise<HistoryStatus> {
    const store = await this.#store();
    const { gapsBetween } = await import('../history/gaps.ts');
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
    const opening = this.#opening;
    this.#opening = null;
    await (await opening?.catch(() => null))?.close();
  }

  #store(): Promise<HistoryStore> {
    this.#opening ??= this.#open();
    return this.#opening;
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
