// Gathers what stores, history and workers know of a task, for `explain`.
import type { App } from '../app/app.ts';
import type { DeadLetter } from '../app/dead-letters.ts';
import type { WaitingTask } from '../app/queues.ts';
import { queuesOfTasks } from '../app/task-queues.ts';
import type { TaskRecord } from '../history/record.ts';
import { redacted } from '../lib/redact.ts';
import { readRegistered } from '../protocol/registered-task.ts';
import { isReady } from '../protocol/result-meta.ts';
import { parseTimestamp } from '../protocol/timestamp.ts';
import { taskRevocation, workflowRevocation } from '../stores/fanout.ts';
import { storeNamed } from '../stores/registry.ts';
import type { Inspect, TaskInfo, Typed } from './inspect.ts';
import type { AnsweringWorker, WhyFacts } from './why.ts';

/** How many messages of each queue, and how many dead letters, are looked at. */
const lookedAt = 1_000;

/** @throws BrokerUnavailable */
export async function gatherFacts(app: App, inspect: Inspect, id: string): Promise<WhyFacts> {
  const broker = await app.broker();
  const backend = await app.backend();
  const recordOf = async () => (await backend?.get(id)) ?? null;
  // The history may never have been kept.
  const historyOf = () => app.history.get(id).catch(() => undefined);
  const membersOf = () =>
    app.history.list(`chord:"${id.replaceAll('"', '')}"`, { limit: lookedAt }).catch(() => null);
  const [record, history, members, queried, active, queues, registered, waiting, dead, revocations, pauses] =
    await Promise.all([
      recordOf(),
      historyOf(),
      membersOf(),
      inspect.queryTask(id),
      inspect.active(),
      inspect.activeQueues(),
      inspect.registered(),
      broker.peek === undefined ? null : findWaiting(app, id, await broker.queues()),
      findDead(app, id),
      broker.revocations.read(),
      app.queues.paused(),
    ]);
  const task = waiting?.found.call?.task ?? history?.name ?? null;
  const rootId = waiting?.found.call?.rootId ?? history?.rootId ?? null;
  const revoked =
    revocations.includes(taskRevocation(id)) ||
    (rootId !== null && revocations.includes(workflowRevocation(rootId)));
  const route = task === null ? null : routeOf(app, task);
  const queue = waiting?.queue ?? history?.queue ?? route?.queue ?? null;
  // Nowhere yet: workers of Python's hold tasks with an eta, and do not tell of them when they are asked for one.
  const hasEnded = (history?.endedAt ?? null) !== null || (record !== null && isReady(record.status));
  const isLost = waiting === null && dead === null && !hasEnded;
  return {
    id,
    broker: brokerOf(app),
    now: new Date(),
    record,
    held: heldBy(id, queried) ?? (isLost ? untilItsEta(id, await inspect.scheduled()) : null),
    waiting: waiting === null ? null : { queue: waiting.queue, ...placeOf(waiting.found) },
    canPeek: broker.peek !== undefined,
    dead:
      dead === null ? null : { id: dead.id, reason: dead.reason, detail: dead.detail, diedAt: dead.diedAt },
    revoked,
    history: history === undefined ? null : historyFacts(history),
    members: (members?.tasks ?? []).map(({ id, endedAt }) => ({ id, ended: endedAt !== null })),
    pauses,
    workers: workersOf(queues, registered),
    silent: queues.silent,
    running: task === null ? [] : runningOn(task, active),
    route,
    outRate: queue === null ? null : await outRateOf(app, queue),
  };
}

/** The folder, too, because a relative file of the embedded store is another one in each. */
function brokerOf({ config: { broker } }: App): string {
  return `${redacted(broker)}${storeNamed(broker)?.embedded ? ` in ${process.cwd()}` : ''}`;
}

async function findWaiting(
  app: App,
  id: string,
  queues: readonly string[],
): Promise<{ readonly queue: string; readonly found: WaitingTask } | null> {
  for (const queue of queues)
    for (const place of ['ready', 'scheduled'] as const) {
      const messages = await app.queues.peek(queue, { place, limit: lookedAt });
      const found = messages.find(({ call }) => call?.id === id);
      if (found !== undefined) return { queue, found };
    }
  return null;
}

function placeOf({ position, due, call }: WaitingTask): Omit<NonNullable<WhyFacts['waiting']>, 'queue'> {
  const { task = '', retries = 0, eta = null, expires = null } = call ?? {};
  return { position, due, task, retries, eta, expires };
}

async function findDead(app: App, id: string): Promise<DeadLetter | null> {
  for await (const letter of app.deadLetters.list({ limit: lookedAt }))
    if (letter.call?.id === id) return letter;
  return null;
}

function heldBy(
  id: string,
  { replies }: Typed<Readonly<Record<string, readonly [string, TaskInfo]>>>,
): WhyFacts['held'] {
  for (const [worker, tasks] of replies) {
    const found = tasks[id];
    if (found === undefined) continue;
    const [state, { time_start: start }] = found;
    return {
      worker,
      running: state === 'active',
      since: typeof start === 'number' ? new Date(start * 1000) : null,
      eta: null,
    };
  }
  return null;
}

function untilItsEta(id: string, { replies }: Awaited<ReturnType<Inspect['scheduled']>>): WhyFacts['held'] {
  for (const [worker, tasks] of replies) {
    const found = tasks.find(({ request }) => request.id === id);
    const due = found && parseTimestamp(found.eta);
    if (found === undefined || due === undefined) continue;
    const { routing_key: queue } = found.request.delivery_info;
    return { worker, running: false, since: null, eta: { queue: String(queue), due } };
  }
  return null;
}

function workersOf(
  queues: Awaited<ReturnType<Inspect['activeQueues']>>,
  registered: Typed<readonly string[]>,
): readonly AnsweringWorker[] {
  return [...queues.replies].map(([name, served]) => ({
    name,
    queues: served.map((queue) => String(queue.name)),
    tasks: readRegistered(registered.replies.get(name)).map((task) => task.name),
  }));
}

function runningOn(task: string, { replies }: Typed<readonly TaskInfo[]>): readonly string[] {
  return [...replies]
    .filter(([, tasks]) => tasks.some(({ name }) => name === task))
    .map(([worker]) => worker);
}

function historyFacts(task: TaskRecord): NonNullable<WhyFacts['history']> {
  const timeOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));
  return {
    state: task.state,
    task: task.name,
    queue: task.queue,
    worker: task.worker,
    startedAt: timeOf(task.startedAt),
    endedAt: timeOf(task.endedAt),
    error: task.exception,
  };
}

/** Null: the application has no such task, or a route depends on the whole call. */
function routeOf(app: App, task: string): WhyFacts['route'] {
  const [queue] = [...queuesOfTasks(app)].find(([, names]) => names.includes(task)) ?? [];
  if (queue === undefined) return null;
  const isRouted = app.router.route(task, [], {}, {})?.queue !== undefined;
  const isOwn = (app.tasks.get(task)?.options.queue ?? null) !== null;
  return { queue, rule: isRouted ? 'taskRoutes' : isOwn ? 'its option `queue`' : 'taskDefaultQueue' };
}

async function outRateOf(app: App, queue: string): Promise<number | null> {
  const states = await app.queues.list();
  return states.find(({ name }) => name === queue)?.outRate ?? null;
}
