import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TaskMessage } from '../protocol/message.ts';
import { isReady, type ResultRecord } from '../protocol/result-meta.ts';
import { encodeTask } from '../protocol/task.ts';
import type { Consumer, Delivery, Publication } from '../stores/transport.ts';

/**
 * A case that every driver must pass. A suite is data, so that it runs under any test runner:
 * `for (const each of transportConformance) test(each.title, () => each.run(harness))`. A failing case may take a minute.
 */
export interface ConformanceCase<Harness, Features> {
  /** A sentence that describes the behaviour. */
  readonly title: string;
  /** Features that the case needs. If one is missing, skip the case and name the feature. */
  readonly needs: readonly (keyof Features)[];
  /** Rejects when the driver does not pass. */
  run(harness: Harness): Promise<void>;
}

/** A small task message for tests. */
export function taskMessage(id: string, changes: Partial<TaskMessage> = {}): TaskMessage {
  return {
    id,
    task: 'conformance.task',
    args: [id],
    kwargs: {},
    embed: { callbacks: null, errbacks: null, chain: null, chord: null },
    lang: 'js',
    shadow: null,
    eta: null,
    expires: null,
    group: null,
    groupIndex: null,
    retries: 0,
    timeLimit: null,
    softTimeLimit: null,
    rootId: id,
    parentId: null,
    argsrepr: `('${id}',)`,
    kwargsrepr: '{}',
    origin: null,
    ignoreResult: false,
    replacedTaskNesting: 0,
    stampedHeaders: null,
    stamps: {},
    headers: {},
    correlationId: id,
    replyTo: '',
    priority: 0,
    persistent: true,
    ...changes,
  };
}

/** A publication for tests. */
export function publication(
  id: string,
  options: Partial<Omit<Publication, 'id' | 'message'>> & {
    readonly priority?: number;
    /** The task's argument; default: the id. */
    readonly text?: string;
  } = {},
): Publication {
  const { priority = 0, queue = 'celery', eta = null, text = id, ...rest } = options;
  return {
    id,
    queue,
    eta,
    message: encodeTask(taskMessage(id, { args: [text], priority, eta }), { routingKey: queue }),
    ...rest,
  };
}

/** The record of a task. An ended one has a date. */
export function resultRecord(
  taskId: string,
  status: string,
  changes: Partial<ResultRecord> = {},
): ResultRecord {
  const dateDone = isReady(status) ? new Date(1_700_000_000_000) : null;
  return { taskId, status, result: null, traceback: null, children: [], dateDone, ...changes };
}

/** How long a case waits for a message or event, milliseconds. It ends a case that hangs, and does not measure speed. */
export const maxWaitMs: number = 60_000;

/** The id of the task in a delivery. */
export function idOf(delivery: Delivery): string {
  if (!delivery.message.ok) throw new Error(`an undecodable message: ${delivery.message.refusal.detail}`);
  return String(delivery.message.value.headers.id);
}

/** Claims until it has `count` deliveries. Rejects after `timeoutMs` milliseconds. */
export async function claim(
  consumer: Consumer,
  count = 1,
  timeoutMs: number = maxWaitMs,
): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  const signal = AbortSignal.timeout(timeoutMs);
  while (deliveries.length < count) {
    deliveries.push(...(await consumer.claim(() => count - deliveries.length, signal)));
    await nextTurn(); // a closed consumer returns at once, and the signal's timer must be able to run
    if (signal.aborted && deliveries.length < count)
      throw new Error(`only ${deliveries.length} of ${count} messages came within ${timeoutMs} ms`);
  }
  return deliveries;
}

/** Claims one delivery. */
export async function claimOne(consumer: Consumer): Promise<Delivery> {
  const [delivery] = await claim(consumer);
  if (delivery === undefined) throw new Error('nothing was claimed');
  return delivery;
}

/** Claims what is there, and waits only long enough for a notification to arrive. */
export async function claimNothing(consumer: Consumer, waitMs = 50): Promise<readonly Delivery[]> {
  return consumer.claim(() => 10, AbortSignal.timeout(waitMs));
}
