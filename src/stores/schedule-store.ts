// The contract of a store of schedules: entries, their runs, and who leads.
import type { StoreWrite } from './store-write.ts';

/** What a store keeps of one schedule. */
export interface StoredEntry {
  readonly name: string;
  /** The entry as text, which only `entry.ts` reads. */
  readonly text: string;
  /** The revision of the store in which the entry was changed last. */
  readonly revision: number;
  readonly state: EntryState;
}

/** The progress of a schedule. Times are milliseconds since 1970. */
export interface EntryState {
  /** The latest due time that is settled: the run was sent, or skipped. */
  readonly lastDueMs: number | null;
  readonly lastRunMs: number | null;
  readonly lastTaskId: string | null;
  /** The number of runs that were sent. */
  readonly sent: number;
  /** The beginning of intervals, if the clock was set back after the entry was made. */
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

/** The outcome of a run, or of several runs that were skipped together. */
export interface RunRecord {
  readonly name: string;
  /** When the run was due; of several runs, the first. */
  readonly dueMs: number;
  /** When the last of several skipped runs was due. */
  readonly untilMs: number;
  /** When it was decided. */
  readonly atMs: number;
  readonly outcome: RunOutcome;
  readonly taskId: string | null;
  readonly detail: string | null;
}

/** The leader, and the state of changes. */
export interface LeadState {
  /** The leader's name; '' when the last leader has resigned. */
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

/** Entries that changed since a revision. */
export interface Changes {
  readonly revision: number;
  readonly entries: readonly StoredEntry[];
  /** These are all entries: others are deleted. */
  readonly complete: boolean;
}

export interface ScheduleStore extends AsyncDisposable {
  /** `memory`, `sqlite`, `redis`, `postgres`. */
  readonly name: string;
  /** The identity of the store; see `Transport.store`. */
  readonly store: object;
  /**
   * Takes the lead if there is no leader, renews it if `holder` leads, and takes it over if it is still as it was `seen`; otherwise it only
   * reads. Pass `seen` only after the lead was unchanged for the length of the lease.
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
  /** The entries that changed since a revision; null: all. */
  changes(since: number | null): Promise<Changes>;
  get(name: string): Promise<StoredEntry | undefined>;
  /**
   * Creates an entry (`expected: null`), or replaces its text if it still has the expected revision. Its state stays, except for the anchor.
   * False: another program changed it first.
   */
  put(name: string, text: string, expected: number | null): Promise<boolean>;
  /** Deletes the entry, its state and its history. False when there was none. */
  remove(name: string): Promise<boolean>;
  /**
   * Records runs, and moves `lastDueMs` on to `untilMs`; a run that is not later than `lastDueMs` is settled already, and ignored.
   * Resolves with `fenced`, having done nothing, when another beat leads. `fence: null`: for runs outside of the schedule, which move nothing.
   */
  record(fence: number | null, runs: readonly RunRecord[]): Promise<'recorded' | 'fenced'>;
  /**
   * The same as a write that travels with the message, for a broker in the same store. It reports false when another beat leads, the
   * run is settled already, or its schedule is gone. Absent: the store has no such transactions.
   */
  writeOf?(fence: number, run: RunRecord): StoreWrite;
  /** Records of runs, the newest first. */
  history(name: string, limit: number): Promise<readonly RunRecord[]>;
  close(): Promise<void>;
}

/** How many records of a schedule are kept. */
export const historyLength = 50;

/** The state after a run; null: the run is settled already. */
export function afterRun(state: EntryState, run: RunRecord, beside: boolean): EntryState | null {
  if (run.outcome === 'moved') return { ...state, lastDueMs: run.untilMs, anchorMs: run.untilMs };
  if (!beside && state.lastDueMs !== null && run.untilMs <= state.lastDueMs) return null;
  const settled = beside ? state : { ...state, lastDueMs: run.untilMs };
  if (run.outcome !== 'sent' && run.outcome !== 'manual') return settled;
  return { ...settled, lastRunMs: run.atMs, lastTaskId: run.taskId, sent: state.sent + 1 };
}
