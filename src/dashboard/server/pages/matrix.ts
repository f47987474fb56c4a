// Which worker knows which task: tasks that nobody knows, and tasks that some workers of a queue do not know.
import type { App } from '../../../app/app.ts';
import { queuesOfTasks } from '../../../app/task-queues.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { signaturesOf } from '../../../protocol/registered-task.ts';
import { type Fleet, type ToldByWorkers, toldTogether } from './fleet.ts';

/** Workers with the same tasks, queues and software. */
export interface WorkerGroup {
  readonly workers: readonly string[];
  readonly queues: readonly string[];
  /** `Python`, `TypeScript`; null: no event told it. */
  readonly language: string | null;
  /** `py-celery 5.5.0`; null: no event told it. */
  readonly software: string | null;
  /** The serializers that they read; null: they have not told it. */
  readonly accepts: readonly string[] | null;
}

export interface TaskKnowledge {
  readonly task: string;
  /** How many the history has of the last 24 hours; null: no history tells. */
  readonly recent: number | null;
  /** The queues that it is sent to, as far as they are known: by the history, or by the code that is loaded here. */
  readonly queues: readonly string[];
  /** For each group: it knows the task; it does not, and serves a queue where the task comes (`lacks`); it needs not know it. */
  readonly cells: readonly ('knows' | 'lacks' | 'none')[];
  /** What it takes, for each group that told it (workers of Python do not): `(a, b)`, `{ to: string }`. */
  readonly signatures: readonly (string | null)[];
  /** `nobody`: it is sent and no worker knows it. `some`: workers of one queue differ. `signatures`: workers of one queue take different arguments. */
  readonly problem: 'nobody' | 'some' | 'signatures' | null;
}

/** What one worker of the queue reads, another may refuse. */
interface MixedQueue {
  readonly queue: string;
  readonly accepts: readonly { readonly worker: string; readonly serializers: readonly string[] }[];
}

export interface TaskMatrix {
  readonly groups: readonly WorkerGroup[];
  /** Queues whose workers read different serializers. */
  readonly mixed: readonly MixedQueue[];
  /** Problems first. */
  readonly tasks: readonly TaskKnowledge[];
  /** Not all tasks are shown. */
  readonly more: boolean;
}

/** The matrix, and how old its replies are. */
interface MatrixPage extends TaskMatrix {
  /** `silent`: what these workers know is not known. */
  readonly told: ToldByWorkers;
}

interface KnownWorker {
  readonly name: string;
  readonly tasks: readonly string[];
  /** By task; workers of Python tell none. */
  readonly signatures: Readonly<Record<string, string>>;
  readonly queues: readonly string[];
  readonly software: string | null;
  readonly accepts: readonly string[] | null;
}

const maxTasks = 500;
/** How many doubtful tasks are looked for in the history, to know their queues. */
const maxDoubtful = 50;

/** Does not wait for the workers: empty until they have replied. */
export async function taskMatrix(
  app: App,
  { cluster, fleet }: { readonly cluster: ClusterState; readonly fleet: Fleet },
): Promise<MatrixPage> {
  const { value: registered, ...toldTasks } = fleet.registered();
  const { value: queues, ...toldQueues } = fleet.queues();
  const told = toldTogether([toldTasks, toldQueues]);
  if (registered === null || queues === null) return { groups: [], mixed: [], tasks: [], more: false, told };
  const accepts = fleet.accepts().value;
  const workers = [...registered].map(([name, tasks]) => ({
    name,
    tasks: tasks.map((task) => task.name).filter((task) => !task.startsWith('celery.')),
    signatures: signaturesOf(tasks),
    queues: queues.get(name) ?? [],
    software: cluster.worker(name)?.software || null,
    accepts: accepts?.get(name) ?? null,
  }));
  const recent = await app.history.countsBy('name', 'seen:<24h', maxTasks).catch(() => null);
  const sent = new Map(
    (recent ?? []).flatMap(([name, tasks]) =>
      name === null || name.startsWith('celery.') ? [] : [[name, tasks]],
    ),
  );
  const queuesOf = new Map<string, Set<string>>();
  const add = (task: string, queue: string): void => {
    queuesOf.set(task, (queuesOf.get(task) ?? new Set()).add(queue));
  };
  for (const [queue, tasks] of queuesOfTasks(app)) for (const task of tasks) add(task, queue);
  const doubtful = [...sent.keys()].filter(
    (task) => !workers.every(({ tasks }) => tasks.includes(task)) && !task.includes('"'),
  );
  for (const task of doubtful.slice(0, maxDoubtful))
    for (const [queue] of await app.history.countsBy('queue', `seen:<24h name:"${task}"`, 10))
      if (queue !== null) add(task, queue);
  return { ...matrixOf(workers, { sent: recent === null ? null : sent, queuesOf }), told };
}

interface Sent {
  /** Null: no history tells. */
  readonly sent: ReadonlyMap<string, number> | null;
  readonly queuesOf: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Pure. */
export function matrixOf(workers: readonly KnownWorker[], { sent, queuesOf }: Sent): TaskMatrix {
  const groups = groupsOf(workers);
  const names = new Set([
    ...workers.flatMap(({ tasks }) => tasks),
    ...(sent?.keys() ?? []),
    ...queuesOf.keys(),
  ]);
  const tasks = [...names].map((task): TaskKnowledge => {
    const sentTo = queuesOf.get(task) ?? new Set<string>();
    const knowing = groups.filter(({ knows }) => knows.has(task));
    // Where one worker of a queue knows the task, it comes there, if it is not known to go elsewhere.
    const comes = sentTo.size > 0 ? sentTo : new Set(knowing.flatMap(({ group }) => group.queues));
    const cells = groups.map(({ knows, group }) => {
      if (knows.has(task)) return 'knows' as const;
      return group.queues.some((queue) => comes.has(queue)) ? ('lacks' as const) : ('none' as const);
    });
    const count = sent === null ? null : (sent.get(task) ?? 0);
    const signatures = groups.map(({ first }) => first.signatures[task] ?? null);
    const isNobodys = knowing.length === 0 && groups.length > 0 && (count ?? 0) > 0;
    return {
      task,
      recent: count,
      queues: [...sentTo].sort(),
      cells,
      signatures,
      problem: isNobodys
        ? 'nobody'
        : cells.includes('lacks')
          ? 'some'
          : differs(groups, signatures)
            ? 'signatures'
            : null,
    };
  });
  const rank = ({ problem }: TaskKnowledge): number =>
    ['nobody', 'some', 'signatures', null].indexOf(problem);
  tasks.sort((a, b) => rank(a) - rank(b) || (a.task < b.task ? -1 : 1));
  return {
    groups: groups.map(({ group }) => group),
    mixed: mixedQueues(groups),
    tasks: tasks.slice(0, maxTasks),
    more: tasks.length > maxTasks,
  };
}

/** Whether two groups that serve the same queue take different arguments. */
function differs(groups: readonly AlikeWorkers[], signatures: readonly (string | null)[]): boolean {
  return groups.some(({ group }, one) =>
    groups.some(
      (other, two) =>
        two > one &&
        signatures[one] !== null &&
        signatures[two] !== null &&
        signatures[one] !== signatures[two] &&
        other.group.queues.some((queue) => group.queues.includes(queue)),
    ),
  );
}

function mixedQueues(groups: readonly AlikeWorkers[]): readonly MixedQueue[] {
  const queues = [...new Set(groups.flatMap(({ group }) => group.queues))].sort();
  return queues.flatMap((queue) => {
    const accepts = new Map<string, MixedQueue['accepts'][number]>();
    for (const { group } of groups)
      if (group.accepts !== null && group.queues.includes(queue)) {
        const key = group.accepts.join(' ');
        if (!accepts.has(key))
          accepts.set(key, { worker: group.workers[0] ?? '', serializers: group.accepts });
      }
    return accepts.size < 2 ? [] : [{ queue, accepts: [...accepts.values()] }];
  });
}

interface AlikeWorkers {
  readonly group: WorkerGroup;
  readonly first: KnownWorker;
  readonly knows: ReadonlySet<string>;
}

function groupsOf(workers: readonly KnownWorker[]): readonly AlikeWorkers[] {
  const alike = new Map<string, KnownWorker[]>();
  for (const worker of workers) {
    const { tasks, signatures, queues, software, accepts } = worker;
    const known = [...tasks].sort().map((task) => [task, signatures[task]]);
    const key = JSON.stringify([known, [...queues].sort(), software, accepts]);
    alike.set(key, [...(alike.get(key) ?? []), worker]);
  }
  return [...alike.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const { tasks, queues, software, accepts } = first;
    return [
      {
        first,
        knows: new Set(tasks),
        group: {
          workers: members.map(({ name }) => name).sort(),
          queues: [...queues].sort(),
          language: languageOf(software),
          // Without the system: `py-celery 5.5.0 Linux`.
          software: software?.split(' ').slice(0, 2).join(' ') ?? null,
          accepts,
        },
      },
    ];
  });
}

function languageOf(software: string | null): string | null {
  if (software === null) return null;
  return software.startsWith('py-celery') ? 'Python' : /^(?:js-)?umbel/.test(software) ? 'TypeScript' : null;
}
