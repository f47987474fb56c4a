// The contract of a store of schedules: entries, what became of their runs, and who leads.
import type { StoreWrite } from './store-write.ts';

/** What a store keeps of one schedule. */
export interface StoredEntry {
  readonly name: string;
  /** The entry, as text that only `entry.ts` reads. */
  readonly text: string;
  /** The revision of the whole book in which it was changed last. */
  readonly revision: number;
  readonly state: EntryState;
}

/** How far a schedule has come. Times in milliseconds since 1970. */
export interface EntryState {
  /** The latest due time that is settled: sent, or left out. */
  readonly lastDueMs: number | null;
  readonly lastRunMs: number | null;
  readonly lastTaskId: string | null;
  /** How many runs were sent. */
  readonly sent: number;
  /** Since when intervals are counted, where the clock was set back after the entry was made. */
  readonly anchorMs: number | null;
}

export const noState: EntryState = Object.freeze({
  lastDueMs: null,
  lastRunMs: null,
  lastTaskId: null,
  sent: 0,
  anchorMs: null,
});

/** `sent`, `manual`: run now; `skipped` and `failed`: not sent, `detail` says why; `moved`: the clock was set back. */
export type RunOutcome = 'sent' | 'manual' | 'skipped' | 'failed' | 'moved';

/** What became of a run, or of several that were left out together. */
export interface RunRecord {
  readonly name: string;
  /** When it was due; of several, the first. */
  readonly dueMs: number;
  /** Of several that were left out, the last. */
  readonly untilMs: number;
  /** When it was decided. */
  readonly atMs: number;
  readonly outcome: RunOutcome;
  readonly taskId: string | null;
  readonly detail: string | null;
}

/** Who leads, and what has changed. */
export interface LeadState {
  /** '' when the last leader has resigned. */
  readonly holder: string;
  /** Grows with each new leader. */
  readonly fence: number;
  /** Grows with each renewal. */
  readonly beats: number;
  /** Grows with each change of an entry, not with its runs. */
  readonly revision: number;
  /** The store's clock, milliseconds since 1970. */
  readonly nowMs: number;
}

/** The changes of the book since a revision. */
export interface Changes {
  readonly revision: number;
  readonly entries: readonly StoredEntry[];
  /** These are all: what is not among them is gone. */
  readonly complete: boolean;
}

export interface ScheduleStore extends AsyncDisposable {
  /** `memory`, `sqlite`, `redis`, `postgres`. */
  readonly name: string;
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /**
   * Takes the lead if nobody has it, renews it if `holder` has it, takes it over if it still is as it was `seen`; else only looks.
   * Whoever has seen it unchanged for the length of the lease may say so.
   * @throws BrokerUnavailable
   */
  lead(
    holder: string,
    seen: Pick<LeadState, 'fence' | 'beats'> | null,
    timeoutMs?: number,
  ): Promise<LeadState>;
  /** Gives up the lead, if `holder` has it. */
  resign(holder: string): Promise<void>;
  /** The store's clock. */
  now(): Promise<number>;
  /** What has changed since a revision; all for null. */
  changes(since: number | null): Promise<Changes>;
  get(name: string): Promise<StoredEntry | undefined>;
  /**
   * Creates an entry (`expected: null`), or replaces its text if it still has the expected revision. Its state stays, but for the anchor.
   * False: somebody else was faster.
   */
  put(name: string, text: string, expected: number | null): Promise<boolean>;
  /** Deletes the entry, its state and its history. False when there was none. */
  remove(name: string): Promise<boolean>;
  /**
   * Keeps what became of runs, and moves `lastDueMs` on to `untilMs`; what is not later than it is settled already, and ignored.
   * Resolves with `fenced`, having done nothing, when another leads. `fence: null`: for runs beside the schedule, which move nothing.
   */
  record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'>;
  /**
   * The same as a write that goes with the message, for a broker in the same store: if it reports false, another leads, the
   * run is settled already, or its schedule is gone. Missing: the store has no such transactions.
   */
  writeOf?(fence: number, run: RunRecord): StoreWrite;
  /** Newest first. */
  history(name: string, limit: number): Promise<readonly RunRecord[]>;
  close(): Promise<void>;
}

/** How many of a schedule's records are kept. */
export const historyLength = 50;

/** The state after a run. null: the run is settled already. */
export function afterRun(state: EntryState, run: RunRecord, beside: boolean): EntryState | null {
  if (run.outcome === 'moved') return { ...state, lastDueMs: run.untilMs, anchorMs: run.untilMs };
  if (!beside && state.lastDueMs !== null && run.untilMs <= state.lastDueMs) return null;
  const settled = beside ? state : { ...state, lastDueMs: run.untilMs };
  if (run.outcome !== 'sent' && run.outcome !== 'manual') return settled;
  return { ...settled, lastRunMs: run.atMs, lastTaskId: run.taskId, sent: state.sent + 1 };
}
