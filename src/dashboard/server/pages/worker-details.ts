// The details of a worker: what it runs, serves and knows, and its settings.
import type { Control } from '../../../control/control.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import { readRegisteredTask } from '../../../protocol/registered-task.ts';
import type { Fleet } from './fleet.ts';
import { Known } from './known.ts';
import { type PagePart, part } from './part.ts';
import { listWorkers, numberOr, type WorkerSummary } from './workers.ts';

/** A task that a worker holds. The arguments are text, in the worker's own format. */
export interface TaskOfWorker {
  readonly id: string;
  readonly name: string;
  readonly args: string;
  readonly kwargs: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number | null;
  /** ISO 8601; null: the task has no eta. */
  readonly eta: string | null;
  readonly acknowledged: boolean;
  readonly pid: number | null;
}

/** A task that a worker can run, with its current limits. */
export interface TaskLimits {
  readonly name: string;
  readonly rateLimit: string | null;
  /** Seconds. */
  readonly softTimeLimit: number | null;
  readonly timeLimit: number | null;
}

/** What a worker told of itself. */
interface WorkerFacts {
  readonly stats: PagePart<Json>;
  readonly queues: PagePart<readonly Json[]>;
  readonly active: PagePart<readonly TaskOfWorker[]>;
  readonly reserved: PagePart<readonly TaskOfWorker[]>;
  readonly scheduled: PagePart<readonly TaskOfWorker[]>;
  readonly revoked: PagePart<readonly string[]>;
  readonly registered: PagePart<readonly TaskLimits[]>;
  readonly conf: PagePart<Json>;
}

export interface WorkerDetail extends WorkerFacts {
  readonly summary: WorkerSummary;
  /** When it was asked, milliseconds since 1970; null: its answer is not there yet. */
  readonly at: number | null;
  /** The worker is asked now: there is no answer yet, or it is from before an action. */
  readonly asking: boolean;
}

/** How many workers are held whose pages were opened last. */
const maxWorkers = 100;
/** The page of a worker shows what it does now: it is asked again after this time, milliseconds. */
const freshMs = 2_000;

/** All that each worker tells of itself. Nothing here waits for a worker. */
export class WorkerDetails {
  readonly #cluster: ClusterState;
  readonly #control: Pick<Control, 'inspect'>;
  readonly #fleet: Fleet;
  /** The worker whose page was opened last comes last. */
  readonly #known = new Map<string, Known<WorkerFacts>>();

  constructor(
    cluster: ClusterState,
    { control, fleet }: { control: Pick<Control, 'inspect'>; fleet: Fleet },
  ) {
    this.#cluster = cluster;
    this.#control = control;
    this.#fleet = fleet;
  }

  /** Null: no worker of this name is known or replied. */
  show(name: string): WorkerDetail | null {
    const known = this.#known.get(name) ?? new Known(() => this.#ask(name), { fresh: freshMs });
    this.#known.delete(name);
    this.#known.set(name, known);
    for (const [oldest] of this.#known) if (this.#known.size > maxWorkers) this.#known.delete(oldest);
    const { value, at, asking } = known.look();
    const list = listWorkers(this.#cluster, this.#fleet);
    const summary = list.workers.find((worker) => worker.name === name);
    const isSomebody = summary !== undefined || (value !== null && value.stats.problem === null);
    if (!isSomebody && !asking && !list.asking) return null;
    return { ...(value ?? unknown), summary: summary ?? { ...nobody, name }, at, asking };
  }

  /** After an action: the workers are asked again when they are looked at. */
  forget(): void {
    for (const known of this.#known.values()) known.forget();
  }

  /** Never rejects: each part has its own problem. */
  async #ask(name: string): Promise<WorkerFacts> {
    const inspect = this.#control.inspect({ destination: [name], limit: 1 });
    const only = async <Value>(
      request: Promise<{ readonly replies: ReadonlyMap<string, Value> }>,
    ): Promise<Value> => {
      const reply = (await request).replies.get(name);
      if (reply === undefined) throw new Error(`${name} did not answer within a second`);
      return reply;
    };
    const [stats, queues, active, reserved, scheduled, revoked, registered, conf] = await Promise.all([
      part(only(inspect.stats())),
      part(only(inspect.activeQueues())),
      part(only(inspect.active()).then((tasks) => tasks.map((task) => heldOf(task)))),
      part(only(inspect.reserved()).then((tasks) => tasks.map((task) => heldOf(task)))),
      part(only(inspect.scheduled()).then((all) => all.map(({ eta, request }) => heldOf(request, eta)))),
      part(only(inspect.revoked())),
      part(only(inspect.registered(...limits)).then((names) => names.map(registeredOf))),
      part(only(inspect.conf())),
    ]);
    return { stats, queues, active, reserved, scheduled, revoked, registered, conf };
  }
}

const none = { value: null, problem: 'The worker is being asked.' } as const;
const unknown: WorkerFacts = {
  stats: none,
  queues: none,
  active: none,
  reserved: none,
  scheduled: none,
  revoked: none,
  registered: none,
  conf: none,
};
/** A worker of which nothing is known yet. */
const nobody: Omit<WorkerSummary, 'name'> = {
  alive: false,
  answered: null,
  lastSeenAt: null,
  active: null,
  processed: null,
  load: [],
  software: null,
  pid: null,
  concurrency: null,
  pool: null,
  queues: null,
  uptime: null,
};

const limits = ['rate_limit', 'soft_time_limit', 'time_limit'];

/** Python's workers send arguments as values or as text. */
function heldOf(task: unknown, eta: string | null = null): TaskOfWorker {
  const record = isRecord(task) ? task : {};
  const text = (value: unknown): string =>
    typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  const start = numberOr(record.time_start);
  return {
    id: text(record.id),
    name: text(record.name),
    args: text(record.args),
    kwargs: text(record.kwargs),
    // Older Celery workers send the seconds since their machine started.
    startedAt: start !== null && start > 1e9 ? start * 1000 : null,
    eta,
    acknowledged: record.acknowledged === true,
    pid: numberOr(record.worker_pid),
  };
}

/** `shop.add [rate_limit=10/m time_limit=30]` */
function registeredOf(text: string): TaskLimits {
  const { name, attributes } = readRegisteredTask(text);
  const seconds = (key: string): number | null => {
    const value = attributes[key];
    return value !== undefined && Number.isFinite(Number(value)) ? Number(value) : null;
  };
  const rate = attributes.rate_limit ?? 'None';
  return {
    name,
    rateLimit: rate === 'None' ? null : rate,
    softTimeLimit: seconds('soft_time_limit'),
    timeLimit: seconds('time_limit'),
  };
}
