// What the page and the measurement need of each way.
import type { Work } from './work.ts';

export const wayNames = ['task', 'message', 'call'] as const;
export type WayName = (typeof wayNames)[number];

export const statuses = ['PENDING', 'IN_PROGRESS', 'RETRY', 'DONE', 'FAILED', 'LOST', 'PURGED'] as const;
export type Status = (typeof statuses)[number];

/** What becomes known of a job. */
export interface StatusUpdate {
  readonly status: Status;
  /** Who runs it. */
  readonly worker?: string | undefined;
  /** The share that is done. Without it, IN_PROGRESS is the begin of a run. */
  readonly progress?: number | undefined;
  readonly error?: string | undefined;
  /** When it was begun, if that is told only now: milliseconds since 1970. */
  readonly started?: number;
  /** Milliseconds since 1970; default: now. */
  readonly at?: number | undefined;
}

export type Tell = (id: string, update: StatusUpdate) => void;

export interface Way {
  /** Resolves when the caller may go on. */
  send(id: string, work: Work): Promise<void>;
  /** How many jobs wait where nobody has taken them yet. */
  waiting(): Promise<number>;
  /** Deletes these; resolves with their number. */
  purge(): Promise<number>;
  close(): Promise<void>;
}
