// The state of a cluster as its events show it: its workers, and its latest tasks. Pure; bounded in bytes.
import type { WireEvent } from '../protocol/event.ts';
import { cut, isNumber, longestName, type MonitoredTask } from './monitored-task.ts';
import { TaskTable } from './task-table.ts';

/** A worker, as its events show it. */
export interface WorkerState {
  /** Its node name. */
  readonly hostname: string;
  /** When its last event came, milliseconds since 1970 by our clock. */
  readonly lastSeenAt: number;
  /** By its own clock. */
  readonly timestamp: number;
  /** Seconds between its heartbeats. */
  readonly freq: number;
  /** It has sent `worker-offline`. */
  readonly offline: boolean;
  /** How many tasks it runs. */
  readonly active: number;
  /** How many tasks it has run. */
  readonly processed: number;
  /** Load of its machine over 1, 5 and 15 minutes. */
  readonly loadavg: readonly number[];
  /** Its process id. */
  readonly pid: number;
  /** Its logical clock. */
  readonly clock: number;
  /** `py-celery 5.6.2 Linux`. */
  readonly software: string;
}

/** How much it keeps; the oldest goes first. */
export interface ClusterStateOptions {
  /** Default 10,000, as in Celery. */
  readonly maxTasks?: number;
  /** Default 5,000, as in Celery. */
  readonly maxWorkers?: number;
  /** The size of all tasks together, bytes. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** A worker counts as away after missing this number of heartbeats. */
const missedBeats = 2;

/** Workers and their latest tasks, as events show them. Add each event that arrives. */
export class ClusterState {
  readonly #maxTasks: number;
  readonly #maxWorkers: number;
  readonly #maxBytes: number;
  readonly #workers = new Map<string, WorkerState>();
  #tasks = new TaskTable();
  #events = 0;

  constructor({ maxTasks = 10_000, maxWorkers = 5_000, maxBytes = 64 * 2 ** 20 }: ClusterStateOptions = {}) {
    this.#maxTasks = maxTasks;
    this.#maxWorkers = maxWorkers;
    this.#maxBytes = maxBytes;
  }

  /** Adds an event. `now`: milliseconds since 1970. */
  add(event: WireEvent, now: number = Date.now()): void {
    this.#events++;
    const [group] = event.type.split('-', 1);
    if (group === 'worker') this.#addWorker(event, now);
    else if (group === 'task') this.#addTask(event);
    if (group === 'task' && event.type !== 'task-sent') this.#received(event, now);
  }

  /** How many events were added. */
  get eventCount(): number {
    return this.#events;
  }

  /** How many tasks it has now. */
  get taskCount(): number {
    return this.#tasks.size;
  }

  /** The approximate size of the tasks, bytes. */
  get bytes(): number {
    return this.#tasks.bytes;
  }

  /** All workers that have sent an event. */
  get workers(): readonly WorkerState[] {
    return [...this.#workers.values()].sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
  }

  /** The worker of this node name; undefined: it has sent no event. */
  worker(hostname: string): WorkerState | undefined {
    return this.#workers.get(hostname);
  }

  /** Whether a worker has sent its last heartbeats. `now`: milliseconds since 1970. */
  isAlive({ offline, lastSeenAt, freq }: WorkerState, now: number = Date.now()): boolean {
    return !offline && now <= lastSeenAt + freq * 1000 * missedBeats;
  }

  /** The workers that are alive. `now`: milliseconds since 1970. */
  aliveWorkers(now: number = Date.now()): readonly WorkerState[] {
    return this.workers.filter((worker) => this.isAlive(worker, now));
  }

  /** The task of this id; undefined: no event told of it, or it was one of too many. */
  task(uuid: string): MonitoredTask | undefined {
    return this.#tasks.get(uuid);
  }

  /** The task with the newest event first. */
  tasks(filter: TaskFilter = {}): readonly MonitoredTask[] {
    const { limit = Number.POSITIVE_INFINITY, ...only } = filter;
    const found: MonitoredTask[] = [];
    if (limit < 1) return found;
    for (const task of this.#tasks.newestFirst(only)) {
      found.push(task);
      if (found.length >= limit) break;
    }
    return found;
  }

  /** By logical time, the latest first: a cause stands below its effect, whatever the wall clocks show. */
  tasksByTime(filter: TaskFilter = {}): readonly MonitoredTask[] {
    const { limit = Number.POSITIVE_INFINITY, ...rest } = filter;
    return [...this.tasks(rest)]
      .sort((a, b) => b.timestamp - a.timestamp || b.clock - a.clock)
      .slice(0, limit);
  }

  /** The names of the tasks that it has, in alphabetical order. */
  taskTypes(): readonly string[] {
    return [...this.#tasks.names()].sort();
  }

  /** Forgets everything. */
  clear(): void {
    this.#tasks = new TaskTable();
    this.#workers.clear();
  }

  #addWorker(event: WireEvent, now: number): void {
    const { hostname, timestamp, pid, clock } = event;
    if (hostname.length > longestName) return;
    const before = this.#workers.get(hostname);
    const heartbeat = 'freq' in event;
    this.#keepWorker({
      hostname,
      lastSeenAt: now,
      timestamp,
      freq: heartbeat ? Math.max(0.1, number(event.freq, 60)) : (before?.freq ?? 60),
      offline: event.type === 'worker-offline',
      active: number(event.active, before?.active ?? 0),
      processed: number(event.processed, before?.processed ?? 0),
      loadavg: Array.isArray(event.loadavg)
        ? event.loadavg.slice(0, 3).filter(isNumber)
        : (before?.loadavg ?? []),
      pid,
      clock,
      software:
        cut([event.sw_ident, event.sw_ver, event.sw_sys].filter(isText).join(' '), 200) ||
        (before?.software ?? ''),
    });
  }

  /** A worker that sends events of tasks lives. */
  #received({ hostname, timestamp, clock }: WireEvent, now: number): void {
    const worker = this.#workers.get(hostname);
    if (worker !== undefined && !worker.offline)
      this.#workers.set(hostname, { ...worker, lastSeenAt: now, timestamp, clock });
  }

  #keepWorker(worker: WorkerState): void {
    this.#workers.delete(worker.hostname);
    this.#workers.set(worker.hostname, worker);
    const [first] = this.#workers.keys();
    if (this.#workers.size > this.#maxWorkers && first !== undefined) this.#workers.delete(first);
  }

  #addTask(event: WireEvent): void {
    const { uuid } = event;
    if (typeof uuid !== 'string' || uuid === '' || uuid.length > longestName) return;
    this.#tasks.add(uuid, event);
    while (this.#tasks.size > this.#maxTasks || (this.#tasks.bytes > this.#maxBytes && this.#tasks.size > 0))
      this.#tasks.dropOldest();
  }
}

/** Which tasks to return. */
export interface TaskFilter {
  /** At most this many; default: all. */
  readonly limit?: number;
  /** Only tasks of this name. */
  readonly name?: string;
  /** Only tasks of this worker's node name. */
  readonly worker?: string;
  /** Only tasks in this state. */
  readonly state?: string;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function number(value: unknown, otherwise: number): number {
  return isNumber(value) ? value : otherwise;
}
