// Looks up the names that a shell offers. Whoever presses Tab waits for it: it has little time, and says nothing of what goes wrong.
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '../../app/app.ts';
import { isMissing } from '../../stores/registry.ts';
import { type CommonOptions, withApp } from '../common.ts';
import { type NameKind, safeNames } from './kinds.ts';

/** The longest that it may take, milliseconds. */
const patienceMs = 2_000;
/** How long workers may take to reply, seconds. */
const repliesWithin = 0.5;

/** The names that are known after at most two seconds. None: nothing answers, or there is none. */
export async function namesOf(kind: NameKind, options: CommonOptions): Promise<readonly string[]> {
  const found = new Set<string>();
  const add = (names: Iterable<string>): void => {
    for (const name of names) found.add(name);
  };
  const looking = withApp({ ...options, quiet: true }, async ({ app }) => look(kind, app, add));
  const stop = new AbortController();
  const patience = sleep(patienceMs, undefined, { signal: stop.signal });
  await Promise.race([looking, patience]).catch(() => {}); // no application, no store, or a refused login: there are no names
  stop.abort();
  await Promise.allSettled([patience]);
  return safeNames(found);
}

/** What the code knows is there at once; then what the stores and the workers know. */
async function look(kind: NameKind, app: App, add: (names: Iterable<string>) => void): Promise<void> {
  if (kind === 'tasks') add(app.tasks.names());
  if (kind === 'tasks' && app.tasks.size > 0) return;
  if (kind === 'queues') add([...app.topology.named, app.config.taskDefaultQueue]);
  if (kind === 'schedules') add([...app.schedules].map(({ name }) => name));
  // Nobody wants a store because of a Tab.
  const { broker, beatStore } = app.config;
  if (isMissing(kind === 'schedules' ? (beatStore ?? broker) : broker, 'broker')) return;
  if (kind === 'queues') add(await (await app.broker()).queues());
  if (kind === 'schedules') {
    const { Schedules } = await import('../../beat/beat.ts');
    await using schedules = await Schedules.open(app);
    add((await schedules.list()).map(({ name }) => name));
  }
  if (kind === 'tasks' || kind === 'workers') {
    const { Control } = await import('../../control/control.ts');
    await using control = new Control(app);
    const asking = { timeout: repliesWithin };
    if (kind === 'workers') add((await control.ping(asking)).replies.keys());
    else for (const names of (await control.inspect(asking).registered()).replies.values()) add(names);
  }
}
