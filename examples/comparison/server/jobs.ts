// What the caller knows of each job. All three ways tell it here, so that their figures mean the same.
import type { Status, StatusUpdate, WayName } from '../ways/way.ts';
import type { Work } from '../ways/work.ts';

export interface Job extends Work {
  readonly id: string;
  readonly way: WayName;
  status: Status;
  /** The share that is done. */
  progress: number;
  worker: string | null;
  error: string | null;
  /** Milliseconds since 1970: sent; its caller may go on; begun at first; its end was heard of. */
  readonly created: number;
  answered: number | null;
  started: number | null;
  ended: number | null;
  /** How often it was begun. */
  runs: number;
  /** How often the caller heard of another status, and how often of progress. */
  changes: number;
  reports: number;
}

/** The most that are kept; the oldest are forgotten. */
const most = 500;

export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #listeners = new Set<() => void>();

  /** The newest first. */
  get list(): readonly Job[] {
    return [...this.#jobs.values()].reverse();
  }

  /** Calls it after each change, until the function that it returns is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  add(id: string, way: WayName, work: Work): Job {
    const nothing = { worker: null, error: null, answered: null, started: null, ended: null };
    const counts = { progress: 0, runs: 0, changes: 0, reports: 0 };
    const job: Job = { ...work, ...nothing, ...counts, id, way, status: 'PENDING', created: Date.now() };
    this.#jobs.set(id, job);
    for (const old of this.#jobs.keys()) if (this.#jobs.size > most) this.#jobs.delete(old);
    this.changed();
    return job;
  }

  /** False: there is no such job. */
  update(id: string, { status, worker, progress, error, started, at = Date.now() }: StatusUpdate): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined) return false;
    if (worker !== undefined) job.worker = worker;
    if (progress !== undefined) job.reports++;
    else job.changes++;
    if (started !== undefined || (status === 'IN_PROGRESS' && progress === undefined)) {
      job.runs++;
      job.started ??= started ?? at;
    }
    if (job.ended === null) {
      job.status = status;
      job.error = error ?? null;
      if (progress !== undefined || status === 'DONE') job.progress = progress ?? 1;
      else if (status === 'IN_PROGRESS') job.progress = 0; // it begins again
      if (status !== 'PENDING' && status !== 'IN_PROGRESS' && status !== 'RETRY') job.ended = at;
    }
    this.changed();
    return true;
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when it holds, which is asked after each change; false: it did not within this time. */
  async until(holds: () => boolean, ms: number): Promise<boolean> {
    if (holds()) return true;
    return new Promise((resolve) => {
      const end = (value: boolean) => {
        clearTimeout(timer);
        unlisten();
        resolve(value);
      };
      const timer = setTimeout(() => end(false), ms);
      const unlisten = this.listen(() => holds() && end(true));
    });
  }
}
