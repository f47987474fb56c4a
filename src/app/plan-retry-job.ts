// The preflight of a job that runs tasks again: finds its tasks, and which of them cannot run again. Nothing is sent.
import { parseRate, type Rate } from '../config/rate.ts';
import { ConfigError, InvalidArgumentsError, TaskNotRetriableError } from '../errors.ts';
import type { TaskRecord } from '../history/record.ts';
import { processOwner } from '../lib/process-owner.ts';
import { uuid5, uuid7 } from '../lib/uuid.ts';
import { calleeNamed, checkArguments } from '../sending/callee.ts';
import type { JobItem } from '../stores/history-jobs.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import { readListing } from './history-work.ts';
import { alreadyRetried, RetryJob, type RetryJobSettings } from './retry-job.ts';
import { callOf } from './retry-task.ts';
import type { RetryAllOptions } from './task-history.ts';

const defaultRate: Rate = '50/s';
const pageSize = 500;
/** Jobs that have ended, or never ran, are deleted after this time, milliseconds. */
const keptMs = 7 * 24 * 3600 * 1000;
/** A recorder that has not written for this time, milliseconds, does not run. */
const recorderSilentMs = 60_000;

interface Preflight {
  readonly app: App;
  readonly again: boolean;
  /** Null: not known. */
  readonly registered: ReadonlySet<string> | null;
}

/** @throws QuerySyntaxError, ConfigError */
export async function planRetryJob(
  app: App,
  store: HistoryStore,
  query: string,
  options: RetryAllOptions,
): Promise<RetryJob> {
  const { rate = defaultRate, stopAt = null, again = false, signal, queue, priority, registered } = options;
  const settings: RetryJobSettings = {
    query,
    by: options.by ?? processOwner(),
    reason: options.reason ?? '',
    rate: parseRate(rate, 'rate'),
    stopAt,
    again,
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
  };
  if (stopAt !== null) await checkStopRule(store, stopAt);
  const preflight: Preflight = { app, again, registered: registered ? new Set(registered) : null };
  let listing = readListing(query, 'seen', pageSize, null); // the oldest first
  const jobs = await store.openJobs();
  const id = uuid7();
  const now = Date.now();
  const row = { id, state: 'planning', pauseReason: '', settings: JSON.stringify(settings) } as const;
  await jobs.create({ ...row, createdAt: now, runner: null, aliveAt: now }, now - keptMs);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { tasks, next } = await store.list(listing);
      await jobs.add(id, await Promise.all(tasks.map((record) => itemOf(id, record, preflight))));
      if (next === null) break;
      listing = { ...listing, after: next };
    }
  } catch (error) {
    await jobs.delete(id).catch(() => undefined); // the first error says more
    throw error;
  }
  await jobs.change(id, { state: 'ready' }, { from: ['planning'] });
  return new RetryJob(id, app, store, jobs);
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

async function checkStopRule(store: HistoryStore, stopAt: number): Promise<void> {
  if (!(stopAt >= 0 && stopAt < 1))
    throw new ConfigError(`stopAt must be a share from 0 to 1, like 0.05 for 5 %, not ${stopAt}`);
  const recordings = await store.recordings();
  if (!recordings.some(({ until }) => Date.now() - until < recorderSilentMs))
    throw new ConfigError(
      'stopAt needs a recorder, which writes whether the new runs fail, and no recorder runs: start umbel recorder',
    );
}
