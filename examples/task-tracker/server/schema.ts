// The tables, as Kysely knows them: a column that is not here does not compile. Times are ISO 8601 in UTC.
import type { Generated, Selectable } from 'kysely';
import type { Status } from '../shared/kinds.ts';

export interface Tables {
  users: {
    id: Generated<number>;
    email: string;
    name: string;
    password_hash: string;
    /** IANA: 'Europe/Berlin'. */
    timezone: string;
    /** Raised by every write to what the user sees: keys of the cache have it, and open pages watch it. */
    revision: Generated<number>;
    created_at: string;
  };
  sessions: { token_hash: string; user_id: number; expires_at: string };
  tasks: {
    id: Generated<number>;
    owner_id: number;
    title: string;
    description: string;
    status: Status;
    /** Its place in `priorities`, so that it can be sorted by. */
    priority: number;
    deadline: string | null;
    /** When it was found to be overdue, and its owner was told. */
    overdue_at: string | null;
    created_at: string;
    updated_at: string;
    completed_at: string | null;
  };
  reminders: { id: string; task_id: number; deadline: string; sent_at: string | null };
  /** Of Umbel's signatures, as JSON. */
  outbox: { id: string; call: string; created_at: string };
  /** The exports and bulk updates that users have asked for. */
  jobs: {
    /** Of the export's task, or of the group. */
    id: string;
    user_id: number;
    kind: 'export' | 'bulk';
    created_at: string;
    /** Of an export its format, of a bulk update which task's result is which, as JSON. */
    detail: string;
    /** Of an export that is done, and how many tasks are in it. */
    content: string | null;
    rows: number | null;
  };
}

export type UserRow = Selectable<Tables['users']>;
export type TaskRow = Selectable<Tables['tasks']>;
export type JobRow = Selectable<Tables['jobs']>;

export const dayMs = 86_400_000;
export const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();
export const now = (): string => inDays(0);
