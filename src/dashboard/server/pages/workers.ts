// Workers: the list, the details of a worker, and remote control.
import { z } from 'zod';
import type { Control } from '../../../control/control.ts';
import type { Answers } from '../../../control/mailbox.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import { poolSizeOf } from '../../../protocol/pool-size.ts';
import type { Right } from '../users.ts';
import { plainName } from './checked.ts';
import type { Fleet } from './fleet.ts';

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
  /** The workers are being asked: there may be more of them. */
  readonly asking: boolean;
}

/** The workers that sent events, and the workers that replied. Does not wait for replies. */
export function listWorkers(cluster: ClusterState, fleet: Fleet): WorkerList {
  const [stats, queues] = [fleet.stats(), fleet.queues()];
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
      concurrency: poolSizeOf(reply),
      pool: typeof pool.implementation === 'string' ? pool.implementation : null,
      queues: queues.value?.get(name) ?? null,
      uptime: numberOr(reply?.uptime),
    };
  });
  return { workers, problem: stats.problem, asking: stats.asking };
}

function totalOf(stats: Json | undefined): number | null {
  if (stats === undefined || !isRecord(stats.total)) return null;
  return Object.values(stats.total).reduce<number>((sum, each) => sum + (numberOr(each) ?? 0), 0);
}

export function numberOr(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

const queue = plainName(255);
const task = plainName(512);
/** As workers read it; 0: no limit. */
const rate = z
  .string()
  .max(50)
  .regex(/^\d+(?:\.\d+)?(?:\/[smh])?$/, 'must be a rate like 5, 10/m or 100/h');
const processes = z.number().int().min(1).max(1_000);
const seconds = z.number().positive().max(1e9).nullable();

/** The remote control commands of the pages. */
export const workerOrder = z
  .discriminatedUnion('action', [
    z.object({ action: z.literal('pool_grow'), n: processes }),
    z.object({ action: z.literal('pool_shrink'), n: processes }),
    z.object({ action: z.literal('autoscale'), min: processes, max: processes }),
    z.object({ action: z.literal('pool_restart') }),
    z.object({ action: z.literal('add_consumer'), queue }),
    z.object({ action: z.literal('cancel_consumer'), queue }),
    z.object({ action: z.literal('rate_limit'), task, rate }),
    // Both limits together: a worker removes the limit that the command does not have.
    z.object({ action: z.literal('time_limit'), task, soft: seconds, hard: seconds }),
    z.object({ action: z.literal('enable_events') }),
    z.object({ action: z.literal('disable_events') }),
    z.object({ action: z.literal('shutdown') }),
  ])
  .superRefine((order, { addIssue }) => {
    const wrong = (path: string, message: string): void =>
      addIssue({ code: 'custom', path: [path], message });
    if (order.action === 'autoscale' && order.min > order.max) wrong('min', `is above max (${order.max})`);
    if (order.action === 'time_limit' && (order.soft ?? 0) > (order.hard ?? Number.POSITIVE_INFINITY))
      wrong('soft', `is above hard (${order.hard} s)`);
  });

export type WorkerOrder = z.infer<typeof workerOrder>;

/** Changing workers needs more than switching their events on and off. */
export function rightFor({ action }: WorkerOrder): Right {
  if (action === 'enable_events' || action === 'disable_events') return 'events';
  return action === 'shutdown' ? 'shutdown' : 'workers';
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
