// The state of a cluster as its events show it: its workers, and its latest tasks. Pure; bounded in bytes.
import type { WireEvent } from '../protocol/event.ts';

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

/** Celery's states, except IGNORED, which no event brings. */
export type EventState =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | 'REJECTED'
  | 'RETRY';

/** A task, as its events show it. Times are seconds since 1970, by the clock of the event's sender; null: no event told it. */
export interface MonitoredTask {
  /** The task's id. */
  readonly uuid: string;
  /** The state that its events show. */
  readonly state: EventState | (string & {});
  /** The task's name. */
  readonly name: string | null;
  /** The positional arguments, as Python's repr. */
  readonly args: string | null;
  /** The keyword arguments, as Python's repr. */
  readonly kwargs: string | null;
  /** The result, as Python's repr. */
  readonly result: string | null;
  /** The error, as text. */
  readonly exception: string | null;
  /** The error's stack. */
  readonly traceback: string | null;
  /** How long it ran, seconds. */
  readonly runtime: number | null;
  /** How many retries there were. */
  readonly retries: number | null;
  /** Before this time it does not run (ISO 8601). */
  readonly eta: string | null;
  /** After this time it does not start (ISO 8601). */
  readonly expires: string | null;
  /** The first task of its workflow. */
  readonly rootId: string | null;
  /** The task that sent it. */
  readonly parentId: string | null;
  /** The queue to which it was sent. */
  readonly queue: string | null;
  /** The routing key with which it was sent. */
  readonly routingKey: string | null;
  /** The worker's node name; the sender's, until a worker has the task. */
  readonly worker: string | null;
  /** Node name of the program that sent it. */
  readonly client: string | null;
  /** When it was sent. */
  readonly sent: number | null;
  /** When a worker received it. */
  readonly received: number | null;
  /** When its code began. */
  readonly started: number | null;
  /** When it succeeded. */
  readonly succeeded: number | null;
  /** When it failed. */
  readonly failed: number | null;
  /** When it was last retried. */
  readonly retried: number | null;
  /** When it was revoked. */
  readonly revoked: number | null;
  /** When it was rejected. */
  readonly rejected: number | null;
  /** The time of the last event. */
  readonly timestamp: number;
  /** The logical clock of its last event. */
  readonly clock: number;
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

/** For each type of event: its state, and the field for its time. */
const kinds: Readonly<Record<string, readonly [EventState, keyof MonitoredTask]>> = {
  'task-sent': ['PENDING', 'sent'],
  'task-received': ['RECEIVED', 'received'],
  'task-started': ['STARTED', 'started'],
  'task-succeeded': ['SUCCESS', 'succeeded'],
  'task-failed': ['FAILURE', 'failed'],
  'task-retried': ['RETRY', 'retried'],
  'task-revoked': ['REVOKED', 'revoked'],
  'task-rejected': ['REJECTED', 'rejected'],
};

/** Celery's order of precedence: a late event does not undo a later state. */
const precedence: readonly string[] = [
  'SUCCESS',
  'FAILURE',
  'REVOKED',
  'REJECTED',
  'STARTED',
  'RECEIVED',
  'RETRY',
  'PENDING',
];

/** A worker counts as away after missing this number of heartbeats. */
const missedBeats = 2;
const longestText = 10_000;
/** The longest id or node name, characters. */
const longestName = 512;

/** Workers and their latest tasks, as events show them. Add each event that arrives. */
export class ClusterState {
  readonly #maxTasks: number;
  readonly #maxWorkers: number;
  readonly #maxBytes: number;
  readonly #workers = new Map<string, WorkerState>();
  /** The task whose last event is the oldest comes first. */
  readonly #tasks = new Map<string, { readonly task: MonitoredTask; readonly bytes: number }>();
  #bytes = 0;
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
    return this.#bytes;
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
    return this.#tasks.get(uuid)?.task;
  }

  /** The task with the newest event first. */
  tasks(filter: TaskFilter = {}): readonly MonitoredTask[] {
    const { limit = Number.POSITIVE_INFINITY, name, worker, state } = filter;
    const found: MonitoredTask[] = [];
    for (const { task } of [...this.#tasks.values()].reverse()) {
      if (found.length >= limit) break;
      if (name !== undefined && task.name !== name) continue;
      if (worker !== undefined && task.worker !== worker) continue;
      if (state !== undefined && task.state !== state) continue;
      found.push(task);
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
    const names = new Set<string>();
    for (const { task } of this.#tasks.values()) if (task.name !== null) names.add(task.name);
    return [...names].sort();
  }

  /** Forgets everything. */
  clear(): void {
    this.#tasks.clear();
    this.#workers.clear();
    this.#bytes = 0;
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
    const known = this.#tasks.get(uuid);
    const task = merged(known?.task ?? newTask(uuid), event);
    this.#bytes -= known?.bytes ?? 0;
    this.#tasks.delete(uuid);
    const bytes = sizeOf(task);
    this.#bytes += bytes;
    this.#tasks.set(uuid, { task, bytes });
    for (const [oldest, { bytes: freed }] of this.#tasks) {
      if (this.#tasks.size <= this.#maxTasks && this.#bytes <= this.#maxBytes) break;
      this.#tasks.delete(oldest);
      this.#bytes -= freed;
    }
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

function merged(before: MonitoredTask, event: WireEvent): MonitoredTask {
  const kind = kinds[event.type];
  const state = kind?.[0] ?? cut(event.type.slice('task-'.length).toUpperCase(), longestName);
  const fresh: MonitoredTask = {
    ...before,
    name: text(event.name) ?? before.name,
    args: text(event.args) ?? before.args,
    kwargs: text(event.kwargs) ?? before.kwargs,
    result: text(event.result) ?? before.result,
    exception: text(event.exception) ?? before.exception,
    traceback: text(event.traceback) ?? before.traceback,
    runtime: isNumber(event.runtime) ? event.runtime : before.runtime,
    retries: isNumber(event.retries) ? event.retries : before.retries,
    eta: text(event.eta) ?? before.eta,
    expires: text(event.expires) ?? before.expires,
    rootId: text(event.root_id) ?? before.rootId,
    parentId: text(event.parent_id) ?? before.parentId,
    queue: text(event.queue) ?? before.queue,
    routingKey: text(event.routing_key) ?? before.routingKey,
    worker: event.type === 'task-sent' ? before.worker : text(event.hostname) || before.worker,
    client: event.type === 'task-sent' ? text(event.hostname) : before.client,
    timestamp: Math.max(before.timestamp, event.timestamp),
    clock: Math.max(before.clock, event.clock),
    ...(kind !== undefined && { [kind[1]]: event.timestamp }),
  };
  return isLate(before.state, state) ? fresh : { ...fresh, state };
}

/** Whether the known state comes after the reported one. A retry begins again. */
function isLate(known: string, reported: string): boolean {
  if (known === 'RETRY' || reported === 'RETRY') return false;
  return rank(reported) > rank(known);
}

function rank(state: string): number {
  const at = precedence.indexOf(state);
  return at < 0 ? precedence.indexOf('STARTED') : at;
}

function newTask(uuid: string): MonitoredTask {
  return {
    uuid,
    state: 'PENDING',
    name: null,
    args: null,
    kwargs: null,
    result: null,
    exception: null,
    traceback: null,
    runtime: null,
    retries: null,
    eta: null,
    expires: null,
    rootId: null,
    parentId: null,
    queue: null,
    routingKey: null,
    worker: null,
    client: null,
    sent: null,
    received: null,
    started: null,
    succeeded: null,
    failed: null,
    retried: null,
    revoked: null,
    rejected: null,
    timestamp: 0,
    clock: 0,
  };
}

function sizeOf(task: MonitoredTask): number {
  let bytes = 400;
  for (const value of Object.values(task)) if (typeof value === 'string') bytes += 2 * value.length;
  return bytes;
}

function text(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  return value.length <= longestText ? value : cut(value, longestText);
}

/** A copy: a slice would keep the whole text in memory. */
function cut(value: string, length: number): string {
  return Buffer.from(value.slice(0, length), 'utf16le').toString('utf16le');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function number(value: unknown, otherwise: number): number {
  return isNumber(value) ? value : otherwise;
}
