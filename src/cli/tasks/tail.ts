// `umbel tasks tail`: a line for each change of a task that a query selects. Events say which tasks have changed, and the history says how.
import type { App } from '../../app/app.ts';
import { captureEvents } from '../../events/receiver.ts';
import type { TaskRecord } from '../../history/record.ts';
import type { Session } from '../common.ts';
import { enablingControl, endOfCommand, pause } from '../events/listen.ts';
import { changeRow } from '../history-view.ts';

interface TailOptions {
  readonly enable: boolean;
  readonly quiet: boolean;
  /** Ends after this number of lines. */
  readonly limit?: number;
}

/** How often the history is asked about tasks that have changed, milliseconds. */
const everyMs = 250;
/** How long the history may lack an event, milliseconds. */
const patienceMs = 10_000;
/** How many tasks one query names. */
const atOnce = 100;
/** Of how many tasks the last line is remembered, so that a second event of the same state makes no second line. */
const remembered = 20_000;

/** A task that has changed. */
interface Changed {
  /** The newest event, milliseconds since 1970 by its sender's clock, as in the history. */
  readonly at: number;
  readonly since: number;
}

/** Runs until Ctrl-C, or until `limit` lines were printed. @throws QuerySyntaxError */
export async function tailTasks(
  { app, output }: Session,
  query: string,
  options: TailOptions,
): Promise<void> {
  await app.history.list(query, { limit: 1 }); // a wrong query is found now
  using ending = endOfCommand();
  const changed = new Map<string, Changed>();
  await using _capture = await captureEvents(
    app,
    ({ uuid, timestamp }) => {
      if (typeof uuid !== 'string' || uuid.includes('"')) return;
      const known = changed.get(uuid);
      const at = Math.max(timestamp * 1000, known?.at ?? 0);
      changed.set(uuid, { at, since: known?.since ?? performance.now() });
    },
    { routingKey: 'task.#', wakeup: false },
  );
  await using _enabling = await enablingControl(app, options.enable);
  if (!options.quiet) output.note('Listening for changes; Ctrl-C ends.');
  const printed = new Map<string, string>();
  let lines = 0;
  let isSilent = false;
  while (!ending.signal.aborted) {
    for (const task of await newsOf(app, query, changed)) {
      if (printed.get(task.id) === stateOf(task)) continue;
      remember(printed, task);
      output.say(changeRow(task));
      output.data(task);
      if (++lines === options.limit) return;
    }
    if (dropped(changed) && !isSilent) {
      isSilent = true;
      output.note('The history lacks what has just happened: does a recorder run? (umbel recorder)');
    }
    await pause(everyMs, ending.signal);
  }
}

/** Of tasks that have changed, and that the history knows by now, those that the query selects. */
async function newsOf(
  app: App,
  query: string,
  changed: Map<string, Changed>,
): Promise<readonly TaskRecord[]> {
  const ids = [...changed.keys()].slice(0, atOnce);
  if (ids.length === 0) return [];
  const named = `(${ids.map((id) => `id:"${id}"`).join(' OR ')})`;
  const { tasks: known } = await app.history.list(named, { limit: atOnce, sort: 'updated' });
  for (const { id, updatedAt } of known) if (updatedAt >= (changed.get(id)?.at ?? 0) - 1) changed.delete(id);
  // Those that the history does not know yet go to the end.
  for (const id of ids) {
    const open = changed.get(id);
    if (open !== undefined && changed.delete(id)) changed.set(id, open);
  }
  if (query.trim() === '') return known;
  const { tasks } = await app.history.list(`(${query}) ${named}`, { limit: atOnce, sort: 'updated' });
  return tasks;
}

/** Drops changed tasks that the history has not received for too long. Returns whether there were any. */
function dropped(changed: Map<string, Changed>): boolean {
  const late = [...changed].filter(([, { since }]) => performance.now() - since > patienceMs);
  for (const [id] of late) changed.delete(id);
  return late.length > 0;
}

function stateOf({ state, attempts }: TaskRecord): string {
  return `${state} ${attempts.length} ${attempts.at(-1)?.worker ?? ''}`;
}

function remember(printed: Map<string, string>, task: TaskRecord): void {
  printed.delete(task.id);
  printed.set(task.id, stateOf(task));
  for (const oldest of printed.keys()) {
    if (printed.size <= remembered) break;
    printed.delete(oldest);
  }
}
