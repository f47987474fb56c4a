// Conversion of the rows of schedules in SQL stores, which share their column names.
import type { EntryState, RunOutcome, RunRecord, StoredEntry } from './schedule-store.ts';

type Columns = Readonly<Record<string, unknown>>;

export function toEntry(row: Columns): StoredEntry {
  return {
    name: String(row.name),
    text: String(row.text),
    revision: Number(row.revision),
    state: toState(row),
  };
}

export function toState(row: Columns): EntryState {
  return {
    lastDueMs: numberOrNull(row.last_due),
    lastRunMs: numberOrNull(row.last_run),
    lastTaskId: textOrNull(row.last_task),
    sent: Number(row.sent),
    anchorMs: numberOrNull(row.anchor),
  };
}

export function toRun(row: Columns): RunRecord {
  return {
    name: String(row.name),
    dueMs: Number(row.due),
    untilMs: Number(row.until),
    atMs: Number(row.at),
    outcome: String(row.outcome) as RunOutcome, // written by us
    taskId: textOrNull(row.task_id),
    detail: textOrNull(row.detail),
  };
}

function numberOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
