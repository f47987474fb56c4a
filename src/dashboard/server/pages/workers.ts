// Workers: the list, the details of a worker, and remote control.
import { z } from 'zod';
import type { Control } from '../../../control/control.ts';
import type { Answers } from '../../../control/mailbox.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import type { Fleet } from './fleet.ts';
import { type PagePart, part } from './part.ts';

export interface WorkerSummary {
  readonly name: string;
  /** The worker sends heartbeats, or it replied. */
  readonly alive: boolean;
  /** The worker replied to the last broadcast; null: the broadcast failed, or no reply is there yet. */
  readonly answered: boolean | null;
  /** The last event of the worker, milliseconds since 1970; null: no event came, so its events are off. */
  readonly lastSeenAt: number | null;
  readonly active: number | null;
  readonly processed: number | null;
  /** Load average of 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  /** `umbel 0.1.0 Linux`, `py-celery 5.2.6 Linux`. */
  readonly software: string | null;
  readonly pid: number | null;
  /** How many tasks the worker runs at the same time. */
  readonly concurrency: number | null;
  readonly pool: string | null;
  readonly queues: readonly string[] | null;
  /** Seconds. */
  readonly uptime: number | null;
}

export interface WorkerList {
  readonly workers: readonly WorkerSummary[];
  /** The error of the broadcast to the workers; null: it succeeded. */
  readonly problem: string | null;
  /** The workers are being asked, and no reply is known: there may be more of them. */
  readonly asking: boolean;
}

/** The workers that sent events, and the workers that reply. */
export async function listWorkers(cluster: ClusterState, fleet: Fleet): Promise<WorkerList> {
  const [stats, queues] = await Promise.all([part(fleet.stats()), part(fleet.queues())]);
  return workerList(cluster, stats, queues);
}

/** As `listWorkers`, without waiting for replies. */
export async function listKnownWorkers(cluster: ClusterState, fleet: Fleet): Promise<WorkerList> {
  return workerList(cluster, await part(fleet.knownStats()), await part(fleet.knownQueues()));
}

function workerList(
  cluster: ClusterState,
  stats: PagePart<ReadonlyMap<string, Json> | null>,
  queues: PagePart<ReadonlyMap<string, readonly string[]> | null>,
): WorkerList {
  const now = Date.now();
  const names = new Set([...cluster.workers.map(({ hostname }) => hostname), ...(stats.value?.keys() ?? [])]);
  const workers = [...names].sort().map((name): WorkerSummary => {
    const known = cluster.worker(name);
    const reply = stats.value?.get(name);
    const pool = reply !== undefined && isRecord(reply.pool) ? reply.pool : {};
    return {
      name,
      alive: reply !== undefined || (known !== undefined && cluster.isAlive(known, now)),
      answered: stats.value === null ? null : reply !== undefined,
      lastSeenAt: known?.lastSeenAt ?? null,
      active: known?.active ?? null,
      processed: known?.processed ?? totalOf(reply),
      load: known?.loadavg ?? [],
      software: known?.software || null,
      pid: known?.pid ?? numberOr(reply?.pid),
      concurrency: numberOr(pool['max-concurrency']),
      pool: typeof pool.implementation === 'string' ? pool.implementation : null,
      queues: queues.value?.get(name) ?? null,
      uptime: numberOr(reply?.uptime),
    };
  });
  const asking = stats.value === null && stats.problem === null;
  return { workers, problem: stats.problem, asking };
}

function totalOf(stats: Json | undefined): number | null {
  if (stats === undefined || !isRecord(stats.total)) return null;
  return Object.values(stats.total).reduce<number>((sum, each) => sum + (numberOr(each) ?? 0), 0);
}

function numberOr(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** A task that a worker holds. The arguments are text, in the worker's own format. */
export interface HeldTask {
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
export interface RegisteredTask {
  readonly name: string;
  readonly rateLimit: string | null;
  /** Seconds. */
  readonly softTimeLimit: number | null;
  readonly timeLimit: number | null;
}

export interface WorkerDetail {
  readonly summary: WorkerSummary;
  readonly stats: PagePart<Json>;
  readonly queues: PagePart<readonly Json[]>;
  readonly active: PagePart<readonly HeldTask[]>;
  readonly reserved: PagePart<readonly HeldTask[]>;
  readonly scheduled: PagePart<readonly HeldTask[]>;
  readonly revoked: PagePart<readonly string[]>;
  readonly registered: PagePart<readonly RegisteredTask[]>;
  readonly conf: PagePart<Json>;
}

/** Requests all details of one worker. Null: no worker of this name is known or replies. */
export async function showWorker(
  name: string,
  { cluster, control, fleet }: { cluster: ClusterState; control: Control; fleet: Fleet },
): Promise<WorkerDetail | null> {
  const inspect = control.inspect({ destination: [name], limit: 1 });
  const only = async <Value>(
    request: Promise<{ readonly replies: ReadonlyMap<string, Value> }>,
  ): Promise<Value> => {
    const reply = (await request).replies.get(name);
    if (reply === undefined) throw new Error(`${name} did not answer within a second`);
    return reply;
  };
  const [list, stats, queues, active, reserved, scheduled, revoked, registered, conf] = await Promise.all([
    listWorkers(cluster, fleet),
    part(only(inspect.stats())),
    part(only(inspect.activeQueues())),
    part(only(inspect.active()).then((tasks) => tasks.map((task) => heldOf(task)))),
    part(only(inspect.reserved()).then((tasks) => tasks.map((task) => heldOf(task)))),
    part(only(inspect.scheduled()).then((all) => all.map(({ eta, request }) => heldOf(request, eta)))),
    part(only(inspect.revoked())),
    part(only(inspect.registered(...limits)).then((names) => names.map(registeredOf))),
    part(only(inspect.conf())),
  ]);
  const summary = list.workers.find((worker) => worker.name === name);
  if (summary === undefined) return null;
  return { summary, stats, queues, active, reserved, scheduled, revoked, registered, conf };
}

const limits = ['rate_limit', 'soft_time_limit', 'time_limit'];

/** Python's workers send arguments as values or as text. */
function heldOf(task: unknown, eta: string | null = null): HeldTask {
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
function registeredOf(text: string): RegisteredTask {
  const [, name = text, limitText = ''] = /^(\S+)(?: \[(.*)\])?$/.exec(text) ?? [];
  const values = new Map(
    [...limitText.matchAll(/(\w+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value]),
  );
  const seconds = (key: string): number | null => {
    const value = Number(values.get(key));
    return values.has(key) && Number.isFinite(value) ? value : null;
  };
  const rate = values.get('rate_limit') ?? 'None';
  return {
    name,
    rateLimit: rate === 'None' ? null : rate,
    softTimeLimit: seconds('soft_time_limit'),
    timeLimit: seconds('time_limit'),
  };
}

const queue = z.string().min(1).max(255);
const task = z.string().min(1).max(512);
const processes = z.number().int().min(1).max(1_000);
const seconds = z.number().positive().max(1e9).nullable();

/** The remote control commands of the pages. */
export const workerOrder = z.discriminatedUnion('action', [
  z.object({ action: z.literal('pool_grow'), n: processes }),
  z.object({ action: z.literal('pool_shrink'), n: processes }),
  z.object({ action: z.literal('autoscale'), min: processes, max: processes }),
  z.object({ action: z.literal('pool_restart') }),
  z.object({ action: z.literal('add_consumer'), queue }),
  z.object({ action: z.literal('cancel_consumer'), queue }),
  z.object({ action: z.literal('rate_limit'), task, rate: z.string().min(1).max(50) }),
  // Both limits together: a worker removes the limit that the command does not have.
  z.object({ action: z.literal('time_limit'), task, soft: seconds, hard: seconds }),
  z.object({ action: z.literal('enable_events') }),
  z.object({ action: z.literal('disable_events') }),
  z.object({ action: z.literal('shutdown') }),
]);

export type WorkerOrder = z.infer<typeof workerOrder>;

/** Changing workers needs the role admin; switching events on and off does not. */
export function roleFor({ action }: WorkerOrder): 'operator' | 'admin' {
  return action === 'enable_events' || action === 'disable_events' ? 'operator' : 'admin';
}

/** The replies of workers to a command. */
export interface ControlOutcome {
  readonly replies: readonly { readonly worker: string; readonly ok: boolean; readonly text: string }[];
  /** Addressed workers that did not reply in time. */
  readonly silent: readonly string[];
}

/** `workers`: null means all workers. @throws BrokerUnavailable */
export async function orderWorkers(
  control: Control,
  workers: readonly string[] | null,
  order: WorkerOrder,
): Promise<ControlOutcome> {
  const recipients = workers === null ? {} : { destination: workers };
  switch (order.action) {
    case 'pool_grow':
      return outcomeOf(await control.poolGrow(order.n, recipients));
    case 'pool_shrink':
      return outcomeOf(await control.poolShrink(order.n, recipients));
    case 'autoscale':
      return outcomeOf(await control.autoscale(order.max, order.min, recipients));
    case 'pool_restart':
      return outcomeOf(await control.ask('pool_restart', { reload: false }, recipients));
    case 'add_consumer':
      return outcomeOf(await control.addConsumer(order.queue, recipients));
    case 'cancel_consumer':
      return outcomeOf(await control.cancelConsumer(order.queue, recipients));
    case 'rate_limit':
      return outcomeOf(await control.rateLimit(order.task, order.rate, recipients));
    case 'time_limit':
      return outcomeOf(await control.timeLimit(order.task, order, recipients));
    case 'enable_events':
      return outcomeOf(await control.enableEvents(recipients));
    case 'disable_events':
      return outcomeOf(await control.disableEvents(recipients));
    case 'shutdown':
      await control.shutdown(recipients);
      // Workers do not reply to this command.
      return { replies: [], silent: [] };
  }
}

/** Reads Celery's replies: `{ok: text}` or `{error: text}`. */
export function outcomeOf({ replies, silent }: Answers): ControlOutcome {
  return {
    replies: [...replies].map(([worker, value]) => {
      const reply = isRecord(value) ? value : {};
      const error = reply.error ?? reply.nok;
      const text = error ?? reply.ok ?? value;
      return {
        worker,
        ok: error === undefined,
        text: typeof text === 'string' ? text : JSON.stringify(text),
      };
    }),
    silent,
  };
}
