// The preflight of a job that runs tasks again: finds its tasks, and which of them cannot run again. Nothing is sent.
import { InvalidArgumentsError, TaskNotRetriableError } from '../errors.ts';
import type { TaskRecord } from '../history/record.ts';
import { uuid5 } from '../lib/uuid.ts';
import { calleeNamed, checkArguments } from '../sending/callee.ts';
import type { JobItem } from '../stores/history-jobs.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import { readListing } from './history-work.ts';
import { callOf } from './retry-task.ts';

const pageSize = 500;

/** The reason for refusing a task that was run again before. */
export const alreadyRetried = 'it was run again already';

interface Preflight {
  readonly app: App;
  readonly again: boolean;
  /** Names of tasks; null: not known. */
  readonly registered: ReadonlySet<string> | null;
}

/** The tasks of a job, page by page, the oldest first. A second preflight of the same job finds the same ids for the new runs. @throws QuerySyntaxError */
export async function* itemsOf(
  job: string,
  query: string,
  store: HistoryStore,
  preflight: Preflight,
): AsyncGenerator<readonly JobItem[], void> {
  let listing = readListing(query, 'seen', pageSize, null);
  for (;;) {
    const { tasks, next } = await store.list(listing);
    yield await Promise.all(tasks.map((record) => itemOf(job, record, preflight)));
    if (next === null) return;
    listing = { ...listing, after: next };
  }
}

/** The id of the new run follows from the job and the task, and is stored before anything is sent. */
async function itemOf(job: string, record: TaskRecord, preflight: Preflight): Promise<JobItem> {
  const problem = await problemOf(record, preflight);
  const ids = { original: record.id, newId: uuid5(job, record.id) };
  return { ...ids, state: problem === null ? 'open' : 'refused', problem: problem ?? '' };
}

/** Why it cannot run again; null: it can. */
async function problemOf(record: TaskRecord, { app, again, registered }: Preflight): Promise<string | null> {
  if (record.retriedAs.length > 0 && !again) return alreadyRetried;
  try {
    const call = callOf(record.id, record, {});
    const callee = calleeNamed(app, call.name);
    if (callee.task?.run == null && registered?.has(call.name) === false)
      return `no worker that answers has registered the task '${call.name}'`;
    await checkArguments(callee, call);
    return null;
  } catch (error) {
    if (error instanceof TaskNotRetriableError) return error.reason;
    if (error instanceof InvalidArgumentsError) return error.message;
    throw error;
  }
}
