// Makes a job that runs tasks again.
import { parseRate, type Rate } from '../config/rate.ts';
import { ConfigError } from '../errors.ts';
import { processOwner } from '../lib/process-owner.ts';
import { uuid7 } from '../lib/uuid.ts';
import type { HistoryStore } from '../stores/history-store.ts';
import type { App } from './app.ts';
import { readListing } from './history-work.ts';
import { RetryJob, type RetryJobSettings } from './retry-job.ts';
import type { RetryAllOptions } from './task-history.ts';

const defaultRate: Rate = '50/s';
/** Jobs that have ended, or never ran, are deleted after this time, milliseconds. */
const keptMs = 7 * 24 * 3600 * 1000;
/** A recorder that has not written for this time, milliseconds, does not run. */
const recorderSilentMs = 60_000;

/** @throws QuerySyntaxError, ConfigError */
export async function planRetryJob(
  app: App,
  store: HistoryStore,
  query: string,
  options: RetryAllOptions,
): Promise<RetryJob> {
  const { rate = defaultRate, stopAt = null, again = false, queue, priority } = options;
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
  readListing(query, 'seen', 1, null); // a wrong query is refused now
  const jobs = await store.openJobs();
  const now = Date.now();
  const job = new RetryJob(uuid7(), app, store, jobs);
  const row = { id: job.id, state: 'planning', pauseReason: '', settings: JSON.stringify(settings) } as const;
  await jobs.create({ ...row, createdAt: now, runner: job.runner, aliveAt: now }, now - keptMs);
  if (options.prepare === false) return job;
  try {
    await job.prepare(options);
  } catch (error) {
    await jobs.delete(job.id).catch(() => undefined); // the first error says more
    throw error;
  }
  return job;
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
