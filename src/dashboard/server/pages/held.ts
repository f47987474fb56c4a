// The messages of a queue that workers hold: as the workers tell it, and as the store knows it.
import type { App } from '../../../app/app.ts';
import { CannotReleaseError } from '../../../errors.ts';
import { isRecord } from '../../../lib/narrow.ts';
import type { Json } from '../../../protocol/message.ts';
import type { Fleet, ToldByWorkers } from './fleet.ts';
import { soon } from './part.ts';

export interface HeldLine {
  readonly id: string;
  readonly task: string;
  readonly worker: string;
  /** Milliseconds since 1970; null: the worker has claimed it and not started it, or does not report the time. */
  readonly startedAt: number | null;
  readonly started: boolean;
  /** It was delivered before, and came back. */
  readonly redelivered: boolean;
  readonly pid: number | null;
  /** Its worker told it. If not, only the store knows: the worker does not answer, or has just taken it. */
  readonly told: boolean;
  /** When it comes back if its worker is not heard of until then, milliseconds since 1970; null: the store does not tell a time. */
  readonly leaseEndsAt: number | null;
  /** It can be given back to its queue. */
  readonly releasable: boolean;
}

export interface HeldList {
  readonly held: readonly HeldLine[];
  readonly told: ToldByWorkers;
  /** After this time, seconds, the messages of a worker that died return to the queue. */
  readonly lease: number;
  /** Why the store tells nothing, and no message can be released; null: it tells. */
  readonly problem: string | null;
}

/** How many messages the store is asked for. */
const maxStored = 500;

/** The longest running first. */
export async function heldMessages(app: App, fleet: Fleet, name: string): Promise<HeldList> {
  const { value, ...told } = fleet.held();
  const held = new Map<string, HeldLine>();
  for (const [worker, messages] of value ?? [])
    for (const message of messages) {
      const line = toldLine(worker, message, name);
      // A message that is both running and claimed has just been started.
      if (line !== null && held.get(`${worker} ${line.id}`)?.started !== true)
        held.set(`${worker} ${line.id}`, line);
    }
  const problem = await addStored(app, name, held);
  const since = ({ started, startedAt }: HeldLine): number =>
    startedAt ?? (started ? Number.MAX_VALUE : Number.POSITIVE_INFINITY);
  return {
    held: [...held.values()].sort((a, b) => (since(a) < since(b) ? -1 : 1)),
    told,
    lease: app.config.workerLease,
    problem,
  };
}

/** Adds what the store knows. A message that a worker told a moment ago, and that the store does not know any more, has ended. */
async function addStored(app: App, queue: string, held: Map<string, HeldLine>): Promise<string | null> {
  try {
    for (const { id, task, worker, leaseEnds } of await soon(app.queues.held(queue, { limit: maxStored }))) {
      if (id === null) continue;
      const stored = { leaseEndsAt: leaseEnds?.getTime() ?? null, releasable: true };
      const known = held.get(`${worker} ${id}`) ?? {
        ...{ id, task: task ?? '', worker, startedAt: null, started: false, redelivered: false, pid: null },
        told: false,
      };
      held.set(`${worker} ${id}`, { ...known, ...stored });
    }
    return null;
  } catch (error) {
    if (error instanceof CannotReleaseError) return error.message;
    throw error;
  }
}

/** Null: the message is of another queue. Workers of Python report the routing key, which is the queue's name unless an exchange routes by other keys. */
function toldLine(worker: string, message: Json, queue: string): HeldLine | null {
  const { id, name, time_start: start, worker_pid: pid, delivery_info: info } = message;
  if (!isRecord(info) || info.routing_key !== queue) return null;
  return {
    id: String(id),
    task: String(name),
    worker,
    startedAt: startTime(start),
    started: typeof start === 'number',
    redelivered: info.redelivered === true,
    pid: typeof pid === 'number' ? pid : null,
    told: true,
    leaseEndsAt: null,
    releasable: false,
  };
}

/** Milliseconds since 1970, of a worker's `time_start`. Older Celery workers send the seconds since their machine started: null. */
export function startTime(start: unknown): number | null {
  return typeof start === 'number' && start > 1e9 ? start * 1000 : null;
}
