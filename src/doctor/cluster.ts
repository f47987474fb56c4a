// Checks of the live workers by their own answers: whether they fit each other, the application, and the waiting messages.
import type { App } from '../app/app.ts';
import { queuesOfTasks } from '../app/task-queues.ts';
import { Control } from '../control/control.ts';
import { captureEvents } from '../events/receiver.ts';
import { readRegistered, signatureItem, signaturesOf } from '../protocol/registered-task.ts';
import { acceptedIn } from '../protocol/serializers.ts';
import type { Pause } from '../stores/pauses.ts';
import { type Finding, listed } from './finding.ts';

export interface WorkerFacts {
  readonly name: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
  /** What its tasks take, by name; workers of Python do not tell. */
  readonly signatures?: Readonly<Record<string, string>>;
  /** The serializers that it reads; null: it did not tell. */
  readonly accepts?: readonly string[] | null;
  /** `py-celery`, `js-umbel`; null: unknown. */
  readonly software: string | null;
  readonly version: string | null;
  /** How far its clock is ahead of ours, seconds; null: unknown. */
  readonly ahead: number | null;
}

export interface ClusterFacts {
  readonly workers: readonly WorkerFacts[];
  /** Workers that live, but did not answer. */
  readonly silent: readonly string[];
  /** Numbers of messages that could run now, by queue. */
  readonly waiting: Readonly<Record<string, number>>;
  /** Queues of RabbitMQ that get messages with an `expiration`. */
  readonly expiring: readonly string[];
  /** What is paused. */
  readonly pauses: readonly Pause[];
  /** The application's tasks, with the queue of each. */
  readonly tasks: Readonly<Record<string, string>>;
}

/** How long workers have to answer, seconds. */
const timeout = 1;
/** The smallest reported difference of clocks, which makes tasks with an eta early or late. Less may be the time that a message takes. */
const skewSeconds = 3;

export async function gatherCluster(app: App): Promise<ClusterFacts> {
  const known = new Map<string, { software: string; version: string; ahead: number }>();
  const subscription = await captureEvents(
    app,
    ({ hostname, timestamp, sw_ident, sw_ver }) => {
      if (typeof sw_ident !== 'string' || typeof sw_ver !== 'string') return;
      known.set(hostname, { software: sw_ident, version: sw_ver, ahead: timestamp - Date.now() / 1000 });
    },
    { routingKey: 'worker.#' },
  );
  await using _subscription = subscription;
  await using control = new Control(app);
  const broker = await app.broker();
  const isRabbit = broker.name === 'amqp';
  const [registered, queues, conf, stats] = await Promise.all([
    control.ask('registered', { taskinfoitems: [signatureItem] }, { timeout }),
    control.ask('active_queues', {}, { timeout }),
    control.ask('conf', {}, { timeout }),
    isRabbit ? control.ask('stats', {}, { timeout }) : null,
  ]);
  const waiting: Record<string, number> = {};
  for (const name of new Set([
    ...app.topology.named,
    app.config.taskDefaultQueue,
    ...(await broker.queues()),
  ]))
    waiting[name] = (await broker.size(name)).ready;
  return {
    workers: [...registered.replies].map(([name, reply]) => ({
      name,
      tasks: readRegistered(reply).map((task) => task.name),
      signatures: signaturesOf(readRegistered(reply)),
      accepts: conf.replies.has(name) ? acceptedIn(conf.replies.get(name)) : null,
      queues: queueNames(queues.replies.get(name)),
      software: known.get(name)?.software ?? null,
      version: known.get(name)?.version ?? null,
      ahead: known.get(name)?.ahead ?? null,
    })),
    silent: registered.silent,
    waiting,
    pauses: await app.queues.paused(),
    expiring: [...new Set([...(stats?.replies.values() ?? [])].flatMap(expiringIn))].sort(),
    tasks: Object.fromEntries(
      [...queuesOfTasks(app)].flatMap(([queue, names]) => names.map((name) => [name, queue])),
    ),
  };
}

/** The findings. Pure. */
export function examineCluster(facts: ClusterFacts): readonly Finding[] {
  return [
    silent,
    paused,
    consumers,
    unserved,
    expirations,
    versions,
    clocks,
    knowledge,
    signatures,
    serializers,
    strangers,
  ]
    .map((check) => check(facts))
    .filter((finding) => finding !== null);
}

function silent({ silent }: ClusterFacts): Finding | null {
  if (silent.length === 0) return null;
  return {
    check: 'silent',
    level: 'warning',
    what: `these workers live and do not answer: ${listed(silent)}`,
    why: 'their event loop is blocked, or they are overloaded: their time limits act late',
    fix: 'umbel inspect active -t 10; run long computations with -P processes',
  };
}

function consumers({ workers, waiting }: ClusterFacts): Finding | null {
  const served = servedBy(workers);
  const alone = Object.entries(waiting).filter(([queue, ready]) => ready > 0 && !served.has(queue));
  if (alone.length === 0) return null;
  return {
    check: 'consumers',
    level: 'warning',
    what: `messages wait in queues that no worker serves: ${listed(alone.map(([queue, ready]) => `${queue} (${ready})`))}`,
    why: 'they wait for ever, and so do the callers that wait for their results',
    fix: `umbel worker -Q ${alone.map(([queue]) => queue).join(',')}, or send them elsewhere (umbel migrate -Q from:to)`,
  };
}

/** Before a message waits there, if workers of this application run. A note, as those of the queue may start only when there is work. */
function unserved({ workers, waiting, tasks }: ClusterFacts): Finding | null {
  if (!workers.some((worker) => worker.tasks.some((task) => task in tasks))) return null;
  const served = servedBy(workers);
  const alone = Object.entries(tasks).filter(([, queue]) => !served.has(queue) && !waiting[queue]);
  if (alone.length === 0) return null;
  return {
    check: 'unserved',
    level: 'note',
    what: `tasks go to queues that no worker serves: ${listed(alone.map(([task, queue]) => `${task} (${queue})`))}`,
    why: 'once they are sent, they wait until a worker of their queue starts',
    fix: `umbel worker -Q ${[...new Set(alone.map(([, queue]) => queue))].join(',')}`,
  };
}

function servedBy(workers: ClusterFacts['workers']): ReadonlySet<string> {
  return new Set(workers.flatMap(({ queues }) => queues));
}

function paused({ pauses, waiting }: ClusterFacts): Finding | null {
  if (pauses.length === 0) return null;
  const described = pauses.map(({ kind, name, since, by, reason }) => {
    const ready = kind === 'queue' && waiting[name] ? `, ${waiting[name]} wait` : '';
    return `${kind} ${name} (since ${since.toISOString()} by ${by}${reason === '' ? '' : `: ${reason}`}${ready})`;
  });
  return {
    check: 'paused',
    level: 'warning',
    what: `paused: ${listed(described)}`,
    why: 'no worker takes these messages until they are resumed, also after restarts',
    fix: pauses
      .map(({ kind, name }) => `umbel ${kind === 'queue' ? 'queues' : 'tasks'} resume ${name}`)
      .join('; '),
  };
}

function expirations({ expiring }: ClusterFacts): Finding | null {
  if (expiring.length === 0) return null;
  return {
    check: 'expiration',
    level: 'note',
    what: `Python's clients send messages with \`expires\`, which RabbitMQ itself expires: ${listed(expiring)}`,
    why: 'RabbitMQ drops a message that waits longer: no worker sees it, and its caller waits for ever',
    fix: 'give these queues a dead-letter exchange whose queue a worker serves, so that they end as REVOKED; the guide "Python and TypeScript" shows it. If you have done so, ignore this',
  };
}

function versions({ workers }: ClusterFacts): Finding | null {
  const bySoftware = new Map<string, Set<string>>();
  for (const { software, version } of workers) {
    if (software === null || version === null) continue;
    bySoftware.set(software, (bySoftware.get(software) ?? new Set()).add(version));
  }
  const mixed = [...bySoftware].filter(([, found]) => found.size > 1);
  if (mixed.length === 0) return null;
  return {
    check: 'versions',
    level: 'warning',
    what: `versions differ across the workers: ${mixed.map(([name, found]) => `${name} ${[...found].sort().join(', ')}`).join('; ')}`,
    why: 'the same task may behave differently from run to run',
    fix: 'run one version on all workers; umbel status and umbel inspect report show the versions',
  };
}

function clocks({ workers }: ClusterFacts): Finding | null {
  const wrong = workers.filter(({ ahead }) => ahead !== null && Math.abs(ahead) > skewSeconds);
  if (wrong.length === 0) return null;
  return {
    check: 'worker-clocks',
    level: 'warning',
    what: `clocks of workers differ from this machine: ${listed(wrong.map(({ name, ahead }) => `${name} ${(ahead ?? 0) > 0 ? '+' : ''}${(ahead ?? 0).toFixed(1)} s`))}`,
    why: 'tasks with an eta or expires are early or late by that time',
    fix: 'synchronize all machines with a time server (chrony, systemd-timesyncd)',
  };
}

/** Finds tasks of the application that go to a queue whose workers do not know them. */
function knowledge({ workers, tasks }: ClusterFacts): Finding | null {
  const unknown = Object.entries(tasks).flatMap(([task, queue]) => {
    const lacking = workers.filter((worker) => worker.queues.includes(queue) && !worker.tasks.includes(task));
    return lacking.length === 0
      ? []
      : [
          `${task} (${listed(
            lacking.map(({ name }) => name),
            2,
          )})`,
        ];
  });
  if (unknown.length === 0) return null;
  return {
    check: 'unknown-tasks',
    level: 'error',
    what: `workers do not know tasks that are sent to their queue: ${listed(unknown)}`,
    why: 'they run older code or another App, or do not import the modules of these tasks: a message becomes a dead letter if no other worker takes it',
    fix: "restart them with this code; name the modules in the App's include; give each App its own queues",
  };
}

/** Finds tasks that take other arguments on another worker of the same queue. */
function signatures({ workers }: ClusterFacts): Finding | null {
  const differing = differences(workers, (worker) => Object.entries(worker.signatures ?? {}));
  if (differing.length === 0) return null;
  return {
    check: 'signatures',
    level: 'warning',
    what: `workers of one queue take different arguments for the same task: ${listed(differing)}`,
    why: 'a call that fits one of them fails on the other',
    fix: 'run one version of the code on all workers; during a rollout, add arguments as optional first',
  };
}

/** Finds workers of one queue that read different serializers. */
function serializers({ workers }: ClusterFacts): Finding | null {
  const differing = differences(workers, ({ accepts }) =>
    accepts == null ? [] : [['accept_content', accepts.join(', ') || 'none']],
  );
  if (differing.length === 0) return null;
  return {
    check: 'serializers',
    level: 'warning',
    what: `workers of one queue read different serializers: ${listed(differing)}`,
    why: 'the one that does not read a message refuses it: it becomes a dead letter, or Celery throws it away',
    fix: 'give all of them the same accept_content (acceptContent)',
  };
}

/** What workers of one queue tell differently, for people: `shop.add: (a) (w1), (a, b) (w2)`. */
function differences(
  workers: readonly WorkerFacts[],
  told: (worker: WorkerFacts) => readonly (readonly [what: string, value: string])[],
): readonly string[] {
  const found = new Map<string, string>();
  for (const queue of new Set(workers.flatMap(({ queues }) => queues))) {
    const first = new Map<string, { readonly value: string; readonly by: string }>();
    for (const worker of workers.filter(({ queues }) => queues.includes(queue)))
      for (const [what, value] of told(worker)) {
        const other = first.get(what);
        if (other === undefined) first.set(what, { value, by: worker.name });
        else if (other.value !== value && !found.has(what))
          found.set(what, `${what}: ${other.value} (${other.by}), ${value} (${worker.name})`);
      }
  }
  return [...found.values()];
}

/** Finds two programs on one queue. */
function strangers({ workers, tasks }: ClusterFacts): Finding | null {
  const own = (worker: WorkerFacts): readonly string[] =>
    worker.tasks.filter((task) => !task.startsWith('celery.'));
  const queues = [...new Set(workers.flatMap((worker) => worker.queues))];
  const shared = queues.filter((queue) => {
    const serving = workers.filter((worker) => worker.queues.includes(queue) && own(worker).length > 0);
    return serving.some((one) =>
      serving.some((other) => !own(one).some((task) => own(other).includes(task))),
    );
  });
  if (shared.length === 0 || Object.keys(tasks).length === 0) return null;
  return {
    check: 'two-apps',
    level: 'error',
    what: `workers with entirely different tasks serve the same queue: ${listed(shared)}`,
    why: 'each gets messages that only another one can run',
    fix: 'one App for all modules, or a queue for each: new App(name, { taskDefaultQueue }) and worker -Q',
  };
}

function expiringIn(stats: unknown): readonly string[] {
  const queues: unknown =
    typeof stats === 'object' && stats !== null && 'expiring' in stats ? stats.expiring : null;
  return typeof queues === 'object' && queues !== null ? Object.keys(queues) : [];
}

function queueNames(reply: unknown): readonly string[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((queue: unknown) =>
    typeof queue === 'object' && queue !== null && 'name' in queue && typeof queue.name === 'string'
      ? [queue.name]
      : [],
  );
}
