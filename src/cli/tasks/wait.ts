// `umbel tasks wait`: ends when all of these tasks have ended. The results tell, and the history: not every task has a result.
import type { App } from '../../app/app.ts';
import { errorOf } from '../../control/why.ts';
import { type Duration, toMs } from '../../lib/duration.ts';
import { isReady } from '../../protocol/result-meta.ts';
import { storeNamed } from '../../stores/registry.ts';
import type { Session } from '../common.ts';
import { endOfCommand, pause } from '../events/listen.ts';
import { clean } from '../terminal/clean.ts';
import { exitCode } from '../usage.ts';

interface Ended {
  readonly id: string;
  readonly state: string;
  /** Null: it succeeded, or nobody told. */
  readonly error: string | null;
}

/** How often the history is looked at, milliseconds. */
const everyMs = 500;

/** Prints each task when it ends. Sets the exit code: 0 all succeeded, 1 one did not, 3 not all have ended in time. */
export async function waitForTasks(
  { app, output }: Session,
  given: readonly string[],
  timeout: Duration | undefined,
): Promise<void> {
  const ids = [...new Set(given)];
  using ending = endOfCommand();
  const late =
    timeout === undefined ? null : setTimeout(() => ending.end(), toMs(timeout, '--timeout')).unref();
  const open = new Set(ids);
  let failed = 0;
  await Promise.all(
    ids.map(async (id) => {
      const ended = await endOf(app, id, ending.signal);
      if (ended === null) return;
      open.delete(id);
      if (ended.state !== 'SUCCESS') failed++;
      output.data(ended);
      output.say(
        `${clean(id)}  ${ended.state}${ended.error === null ? '' : `  ${clean(ended.error).slice(0, 200)}`}`,
      );
    }),
  );
  if (late !== null) clearTimeout(late);
  process.exitCode = failed > 0 ? exitCode.failed : open.size > 0 ? exitCode.notReady : exitCode.ok;
  if (open.size > 0) output.note(`not ended yet: ${[...open].map(clean).join(', ')}`);
}

/** Whichever tells first; null: it was aborted. */
async function endOf(app: App, id: string, signal: AbortSignal): Promise<Ended | null> {
  const found = new AbortController();
  const either = AbortSignal.any([signal, found.signal]);
  const asked = [byHistory(app, id, either), ...(hasRecords(app) ? [byResult(app, id, either)] : [])];
  try {
    // Each ends with null only when it is aborted.
    return await Promise.race(asked);
  } finally {
    found.abort();
    await Promise.allSettled(asked);
  }
}

function hasRecords({ config: { backend } }: App): boolean {
  return backend !== null && storeNamed(backend)?.resultsAreMessages !== true;
}

async function byResult(app: App, id: string, signal: AbortSignal): Promise<Ended | null> {
  for await (const record of app.result(id).watch(signal))
    if (isReady(record.status)) return { id, state: record.status, error: errorOf(record) };
  return null;
}

/** The history may not be kept, or be away: then only the result tells. */
async function byHistory(app: App, id: string, signal: AbortSignal): Promise<Ended | null> {
  for (;;) {
    const task = await app.history.get(id).catch(() => undefined);
    if (signal.aborted) return null;
    if (task !== undefined && task.endedAt !== null) return { id, state: task.state, error: task.exception };
    await pause(everyMs, signal);
  }
}
