// Puts the schedules that the code declares into the store.
import type { App } from '../app/app.ts';
import type { DeclaredSchedule } from '../app/schedule.ts';
import { ConfigError } from '../errors.ts';
import type { ScheduleStore, StoredEntry } from '../stores/schedule-store.ts';
import { kindOf } from '../workflow/construct.ts';
import { decodeEntry, type Entry, encodeEntry, entryOf, isDueTheSame, isSameSchedule } from './entry.ts';

/** How many puts are under way at once. */
const atOnce = 200;
/** How often a put is tried while others change the same entry. */
const maxTries = 20;

/**
 * Brings the store in line with the code: new schedules are created, different ones are changed, and schedules that the code no longer declares
 * are deleted. Pauses stay. With `onlyMissing`, none is changed or deleted.
 * @throws BrokerUnavailable, ConfigError
 */
export async function putDeclared(
  app: App,
  store: ScheduleStore,
  { onlyMissing = false }: { readonly onlyMissing?: boolean } = {},
): Promise<void> {
  const { entries } = await store.changes(null);
  const stored = new Map(entries.map((entry) => [entry.name, entry]));
  const nowMs = await store.now();
  const declared = [...app.schedules].filter(({ name }) => !onlyMissing || !stored.has(name));
  for (const each of declared) checkOverlap(app, entryOf(each, true, nowMs));
  for (let from = 0; from < declared.length; from += atOnce) {
    const some = declared.slice(from, from + atOnce);
    await Promise.all(some.map((each) => putOne(store, each, stored.get(each.name), nowMs)));
  }
  if (onlyMissing) return;
  for (const { name, text } of entries) {
    if (app.schedules.get(name) === undefined && isFromCode(name, text)) await store.remove(name);
  }
}

/**
 * @throws ConfigError when it could never be known that the run before has ended
 */
export function checkOverlap(app: App, { name, call, policy }: Entry): void {
  if (policy.overlap === 'allow') return;
  if (call.kind === 'signature' && kindOf(call.signature) !== 'task') {
    throw new ConfigError(
      `the schedule '${name}' has overlap '${policy.overlap}', and sends a workflow, which ends in many places; schedule a task that starts it and waits, or let it overlap`,
    );
  }
  const task = app.tasks.get(call.kind === 'task' ? call.task : call.signature.task);
  const ignored = call.options.ignoreResult ?? task?.options.ignoreResult ?? app.config.taskIgnoreResult;
  if (app.config.backend !== null && !ignored) return;
  throw new ConfigError(
    `the schedule '${name}' has overlap '${policy.overlap}', but ${ignored ? 'its task ignores its result' : 'there is no result backend'}: the end of a run cannot be known`,
  );
}

async function putOne(
  store: ScheduleStore,
  declared: DeclaredSchedule,
  known: StoredEntry | undefined,
  nowMs: number,
): Promise<void> {
  let stored = known;
  for (let tries = 0; tries < maxTries; tries++) {
    const entry = entryOf(declared, true, nowMs);
    const before = stored && readable(stored);
    if (before?.fromCode && isSameSchedule(before, entry)) return;
    const kept: Entry = {
      ...entry,
      paused: before?.paused ?? false,
      sinceMs: before && isDueTheSame(before, entry) ? before.sinceMs : nowMs,
    };
    if (await store.put(entry.name, encodeEntry(kept), stored?.revision ?? null)) return;
    stored = await store.get(entry.name);
  }
  throw new ConfigError(`the schedule '${declared.name}' is changed by others all the time`);
}

/** The stored entry; undefined if it cannot be read: then the declared one replaces it. */
function readable(stored: StoredEntry): Entry | undefined {
  try {
    return decodeEntry(stored.name, stored.text);
  } catch {
    return undefined;
  }
}

function isFromCode(name: string, text: string): boolean {
  try {
    return decodeEntry(name, text).fromCode;
  } catch {
    return false;
  }
}
