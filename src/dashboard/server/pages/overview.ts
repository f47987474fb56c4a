// The first page: an overview of the cluster.
import type { App } from '../../../app/app.ts';
import type { HistoryStatus } from '../../../app/task-history.ts';
import type { ClusterState } from '../../../events/cluster-state.ts';
import { redacted } from '../../../lib/redact.ts';
import type { ActivityMinute, TaskActivity } from './activity.ts';
import { type FailureGroup, groupFailures } from './failures.ts';
import type { Fleet } from './fleet.ts';
import type { LiveFeed } from './live-feed.ts';
import { type PagePart, part } from './part.ts';
import type { QueueOverview, QueueWatch } from './queues.ts';
import type { StoreHealth, StoresHealth } from './stores-health.ts';
import { listWorkers, type WorkerList } from './workers.ts';

export interface Overview {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly minutes: readonly ActivityMinute[];
  readonly tasks: readonly TaskActivity[];
  readonly workers: WorkerList;
  readonly queues: PagePart<QueueOverview>;
  /** The largest groups of the last hour. */
  readonly failures: PagePart<readonly FailureGroup[]>;
  readonly deadLetters: PagePart<number>;
  readonly history: PagePart<HistoryStatus>;
  readonly broker: BrokerFacts;
  /** The broker first; another store of results after it. */
  readonly stores: readonly StoreHealth[];
}

interface BrokerFacts {
  /** `sqlite`, `redis`, `amqp`; null: the broker is unreachable. */
  readonly kind: string | null;
  /** Without its password. */
  readonly url: string;
  /** The error of the connection; null: it works. */
  readonly problem: string | null;
}

interface Sources {
  readonly app: App;
  readonly cluster: ClusterState;
  readonly fleet: Fleet;
  readonly queues: QueueWatch;
  readonly feed: LiveFeed;
  readonly health: StoresHealth;
}

const shownFailures = 5;

/** Does not wait for the workers. */
export async function overview({ app, cluster, fleet, queues, feed, health }: Sources): Promise<Overview> {
  const [queueList, failures, deadLetters, history, broker, stores] = await Promise.all([
    part(queues.list()),
    part(groupFailures(app, 1).then(({ groups }) => groups.slice(0, shownFailures))),
    part(app.deadLetters.count()),
    part(app.history.status()),
    brokerFacts(app),
    health.look(),
    part(feed.loadHistory(app.history)),
  ]);
  const at = Date.now();
  return {
    at,
    minutes: feed.activity.minutes(at),
    tasks: feed.activity.tasks(at),
    workers: listWorkers(cluster, fleet),
    queues: queueList,
    failures,
    deadLetters,
    history,
    broker,
    stores,
  };
}

async function brokerFacts(app: App): Promise<BrokerFacts> {
  const url = redacted(app.config.broker);
  const opened = await part(app.broker());
  if (opened.value === null) return { kind: null, url, problem: opened.problem };
  return { kind: opened.value.name, url, problem: brokerProblem(app) };
}

/** What is wrong with the connection, for people; null: nothing, or it is not open yet. */
export function brokerProblem({ stores }: App): string | null {
  return stores?.transport.status.reason ?? null;
}
