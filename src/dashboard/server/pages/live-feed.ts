// Sends changes to all open pages, at most five times a second.

import type { TaskHistory } from '../../../app/task-history.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import type { TaskRecord } from '../../../history/record.ts';
import { isRecord } from '../../../lib/narrow.ts';
import { timeOfId } from '../../../lib/uuid.ts';
import type { WireEvent } from '../../../protocol/event.ts';
import { type ActivityKind, RecentActivity } from './activity.ts';

/** The changes since the previous delta. */
export interface LiveDelta {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The latest state of the changed tasks. */
  readonly tasks: readonly LiveTask[];
  /** This delta does not have all changes: the page must load its data again. */
  readonly partial: boolean;
  readonly counts: Readonly<Record<ActivityKind, number>>;
  readonly workers: readonly LiveWorker[];
  /** Why the broker cannot be asked now; null: it can. */
  readonly brokerProblem: string | null;
}

interface LiveTask {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly worker: string | null;
  readonly runtimeMs: number | null;
}

interface LiveWorker {
  readonly name: string;
  readonly alive: boolean;
  readonly active: number;
  readonly processed: number;
  readonly load: readonly number[];
}

const everyMs = 200;
/** Interval of empty deltas while nothing changes: they show that the connection works. */
const idleMs = 5_000;
const maxTasks = 100;
/** Tasks that are loaded from the history: of a busy hour the latest. */
const maxLoaded = 20_000;
const loadedAtOnce = 1_000;

const kindOf: Readonly<Record<string, ActivityKind>> = {
  'task-sent': 'sent',
  'task-succeeded': 'succeeded',
  'task-failed': 'failed',
  'task-retried': 'retried',
};

/** Of the runs of a task the first. Python's events do not tell of those after a crash. */
function isFirst({ retries, umbel }: WireEvent): boolean {
  const attempt = isRecord(umbel) ? umbel.attempt : undefined;
  return (retries ?? 0) === 0 && (attempt ?? 1) === 1;
}

/** An open page. */
interface Reader {
  delta: LiveDelta | null;
  wake: () => void;
}

/** Collects changes only while a page is open; {@link RecentActivity} always counts. */
export class LiveFeed {
  readonly activity = new RecentActivity();
  readonly #cluster: ClusterState;
  readonly #readers = new Set<Reader>();
  readonly #changed = new Set<string>();
  readonly #sentWorkers = new Map<string, string>();
  #counts: Record<ActivityKind, number> = { sent: 0, succeeded: 0, failed: 0, retried: 0 };
  #timer: NodeJS.Timeout | null = null;
  #sentAt = 0;
  readonly #beganAt = Date.now();
  #loading: Promise<void> | null = null;

  readonly #brokerProblem: () => string | null;
  #sentProblem: string | null = null;

  /** `cluster` must have recorded an event before {@link add} is called with it. */
  constructor(cluster: ClusterState, brokerProblem: () => string | null = () => null) {
    this.#cluster = cluster;
    this.#brokerProblem = brokerProblem;
  }

  /** Adds the last hour of the history to the statistics. Does it once. */
  loadHistory(history: TaskHistory): Promise<void> {
    this.#loading ??= this.#load(history).catch((error: unknown) => {
      this.#loading = null; // the next call tries again
      throw error;
    });
    return this.#loading;
  }

  async #load(history: TaskHistory): Promise<void> {
    let after: string | null = null;
    let loaded: TaskRecord[] = [];
    do {
      const options = { sort: '-updated', limit: loadedAtOnce, ...(after !== null && { after }) };
      const found = await history.list('updated:<1h', options);
      loaded = loaded.concat(found.tasks);
      after = found.next;
    } while (after !== null && loaded.length < maxLoaded);
    // All or none: a call that fails is made again.
    for (const task of loaded) this.activity.addRecord(task, this.#beganAt);
  }

  add(event: WireEvent, now: number = Date.now()): void {
    const { uuid, type } = event;
    if (typeof uuid !== 'string') return;
    const kind = kindOf[type];
    const task = this.#cluster.task(uuid);
    const name = task?.name ?? null;
    // Few senders send events, and the ids of Umbel's tell when they were made: such a task counts when it is received.
    const madeMs = timeOfId(uuid);
    const count = (counted: ActivityKind, at: number): void => {
      this.activity.add(counted, name, at, now);
      this.#counts[counted]++;
    };
    if (type === 'task-received' && madeMs !== null && task?.sent == null && isFirst(event))
      count('sent', madeMs);
    const isCounted = kind === 'sent' && madeMs !== null && typeof task?.received === 'number';
    if (kind !== undefined && !isCounted) count(kind, event.timestamp * 1000);
    if (type === 'task-succeeded' && name !== null && typeof event.runtime === 'number')
      this.activity.addRuntime(name, event.runtime * 1000, now);
    // Later parts of a workflow have their ids long before they are sent.
    const sent = task?.sent ?? (madeMs === null || task?.rootId !== uuid ? null : madeMs / 1000);
    if (type === 'task-started' && name !== null && task !== undefined && sent !== null && !task.retries) {
      const due = task.eta === null ? Number.NaN : Date.parse(task.eta) / 1000;
      const from = Number.isFinite(due) ? Math.max(due, sent) : sent;
      this.activity.addWait(name, Math.max(0, (event.timestamp - from) * 1000), now);
    }
    if (this.#readers.size > 0) this.#changed.add(uuid);
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Ends with the signal. A slow reader gets merged deltas without all tasks; `partial` is then true. */
  async *read(signal: AbortSignal): AsyncGenerator<LiveDelta, void> {
    const reader: Reader = { delta: null, wake: () => undefined };
    const end = (): void => reader.wake();
    this.#readers.add(reader);
    this.#timer ??= setInterval(() => this.#send(Date.now()), everyMs);
    signal.addEventListener('abort', end, { once: true });
    try {
      yield this.#first(Date.now());
      while (!signal.aborted) {
        if (reader.delta === null)
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
            if (signal.aborted) resolve();
          });
        const { delta } = reader;
        reader.delta = null;
        if (delta !== null && !signal.aborted) yield delta;
      }
    } finally {
      signal.removeEventListener('abort', end);
      this.#readers.delete(reader);
      if (this.#readers.size === 0 && this.#timer !== null) {
        clearInterval(this.#timer);
        this.#timer = null;
        this.#changed.clear();
      }
    }
  }

  #first(at: number): LiveDelta {
    const counts = { sent: 0, succeeded: 0, failed: 0, retried: 0 };
    const brokerProblem = this.#brokerProblem();
    return { at, tasks: [], partial: false, counts, workers: this.#workers(at), brokerProblem };
  }

  #send(at: number): void {
    const workers = this.#workers(at).filter((worker) => {
      const text = JSON.stringify(worker);
      if (this.#sentWorkers.get(worker.name) === text) return false;
      this.#sentWorkers.set(worker.name, text);
      return true;
    });
    const brokerProblem = this.#brokerProblem();
    const isIdle = this.#changed.size === 0 && workers.length === 0 && brokerProblem === this.#sentProblem;
    if (isIdle && at - this.#sentAt < idleMs) return;
    this.#sentProblem = brokerProblem;
    this.#sentAt = at;
    const ids = [...this.#changed];
    const delta: LiveDelta = {
      at,
      tasks: ids.slice(-maxTasks).flatMap((id) => this.#task(id)),
      partial: ids.length > maxTasks,
      counts: this.#counts,
      workers,
      brokerProblem,
    };
    this.#changed.clear();
    this.#counts = { sent: 0, succeeded: 0, failed: 0, retried: 0 };
    for (const reader of this.#readers) {
      reader.delta = reader.delta === null ? delta : merged(reader.delta, delta);
      reader.wake();
    }
  }

  #task(id: string): readonly LiveTask[] {
    const task = this.#cluster.task(id);
    if (task === undefined) return [];
    const { name, state, worker, runtime } = task;
    return [{ id, name, state, worker, runtimeMs: runtime === null ? null : runtime * 1000 }];
  }

  #workers(now: number): readonly LiveWorker[] {
    return this.#cluster.workers.map((worker) => ({
      name: worker.hostname,
      alive: this.#cluster.isAlive(worker, now),
      active: worker.active,
      processed: worker.processed,
      load: worker.loadavg,
    }));
  }
}

/** For a reader that has not read the previous delta. */
function merged(before: LiveDelta, next: LiveDelta): LiveDelta {
  const workers = new Map([...before.workers, ...next.workers].map((worker) => [worker.name, worker]));
  return {
    at: next.at,
    tasks: next.tasks,
    partial: before.partial || next.partial || before.tasks.length > 0,
    counts: {
      sent: before.counts.sent + next.counts.sent,
      succeeded: before.counts.succeeded + next.counts.succeeded,
      failed: before.counts.failed + next.counts.failed,
      retried: before.counts.retried + next.counts.retried,
    },
    workers: [...workers.values()],
    brokerProblem: next.brokerProblem,
  };
}
