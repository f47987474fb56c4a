// All checks of an application, its broker and its workers.
import type { App } from '../app/app.ts';
import { storeNamed } from '../stores/registry.ts';
import { examineApplication } from './application.ts';
import { examineBeats, gatherBeats } from './beats.ts';
import { examineCluster, gatherCluster } from './cluster.ts';
import type { Finding } from './finding.ts';
import { examineTimers } from './habits.ts';
import { examineResults } from './results.ts';
import type { ApplicationSources } from './sources.ts';
import { examineStores } from './stores.ts';

interface Examination {
  /** Null: the code of the application is not loaded, so its tasks and settings are not examined. */
  readonly sources: ApplicationSources | null;
  /** How many timers the import of the application left. Default 0. */
  readonly timers?: number;
  /** The broker and the workers are not contacted. Default false. */
  readonly offline?: boolean;
}

/** The findings of all checks, errors first. An unavailable broker is a finding. */
export async function examine(
  app: App,
  { sources, timers = 0, offline = false }: Examination,
): Promise<readonly Finding[]> {
  // A store in memory belongs to this process: there are no workers to ask.
  const asks = !offline && storeNamed(app.config.broker)?.ephemeral !== true;
  const stores = offline ? [] : await examineStores(app);
  const answers = asks && !stores.some(({ check }) => ['broker', 'keys', 'rights'].includes(check));
  const found: readonly (Finding | null)[] = [
    ...(sources === null ? [] : [...examineApplication(app, sources), examineTimers(timers)]),
    ...stores,
    ...(answers ? examineCluster(await gatherCluster(app)) : []),
    ...(answers ? examineBeats(await gatherBeats(app)) : []),
    ...(answers ? [await examineResults(app)] : []),
  ];
  return found
    .filter((finding) => finding !== null)
    .sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
}

const order: readonly Finding['level'][] = ['error', 'warning', 'note'];
