// How far a chord is, and what is known of its members.
import { ConfigError } from '../errors.ts';
import type { ChordPart } from '../protocol/chord-part.ts';
import { isReady } from '../protocol/result-meta.ts';
import { storedId } from '../protocol/workflow-wire.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { ChordCount, Chords } from '../stores/chords.ts';
import { type ChordManifest, readManifest } from '../workflow/chord-manifest.ts';
import { kindOf } from '../workflow/construct.ts';
import { resultId } from '../workflow/freeze.ts';
import type { App } from './app.ts';
import type { ChordMember, ChordStatus } from './chords.ts';

/** A chord, as its store has it. */
export interface FoundChord {
  readonly id: string;
  readonly backend: ResultBackend;
  readonly chords: Chords;
  readonly count: ChordCount;
  readonly manifest: ChordManifest | null;
  readonly parts: readonly ChordPart[];
}

/** Missing members whose states are looked up. */
const maxLookedUp = 1_000;

/** @param id of the header; with a history, of the body or of a member. @throws ConfigError, BrokerUnavailable */
export async function findChord(app: App, id: string): Promise<FoundChord | null> {
  const { backend } = await app.open();
  const chords = backend?.chords;
  if (backend === null || chords === undefined)
    throw new ConfigError(
      `the application '${app.name}' ${backend === null ? 'keeps no results' : `keeps its results in ${backend.name}, which counts no chords`}: chords need results in sqlite, redis, postgresql or memory (setting 'backend')`,
    );
  const own = await chords.look(id);
  const groupId = own === null ? await headerOf(app, id) : id;
  const count = own ?? (groupId === null ? null : await chords.look(groupId));
  if (count === null || groupId === null) return null;
  const parts = count.done ? [] : await chords.parts(groupId);
  return { id: groupId, backend, chords, count, manifest: readManifest(count.manifest), parts };
}

/** The header of the chord whose body or member has this id; null: the history does not know, or there is none. */
async function headerOf(app: App, id: string): Promise<string | null> {
  try {
    const record = await app.history.get(id);
    if (record !== undefined && record.chordId !== null) return record.groupId;
    const { tasks } = await app.history.list(`chord:"${id.replaceAll('"', '')}"`, { limit: 1 });
    return tasks[0]?.groupId ?? null;
  } catch {
    return null; // nobody keeps a history
  }
}

export async function statusOf(app: App, chord: FoundChord): Promise<ChordStatus> {
  const { id, count, manifest, parts } = chord;
  const { size, extra, closer, done } = count;
  const total = size === null ? null : size + extra;
  const counted = new Map(parts.map((part) => [part.taskId, part]));
  const ids = done ? [] : idsOf(chord);
  const missing = ids.filter((member) => !counted.has(member));
  const looked = new Map(
    await Promise.all(
      missing
        .slice(0, maxLookedUp)
        .map(async (member) => [member, await stateOf(app, chord, member)] as const),
    ),
  );
  return {
    id,
    bodyId: manifest === null ? null : resultId(manifest.body),
    bodyTask: manifest === null || kindOf(manifest.body) !== 'task' ? null : nameOf(manifest),
    state: done ? 'done' : closer === null ? 'open' : 'complete',
    total: done ? null : total,
    counted: parts.length,
    members: ids.map((member, at): ChordMember => {
      const part = counted.get(member);
      const index = at < (manifest?.members.length ?? 0) ? at : null;
      if (part !== undefined)
        return { id: member, index, counted: true, state: part.status, task: null, reason: '' };
      return { id: member, index, counted: false, ...(looked.get(member) ?? unseen) };
    }),
    unknown: done || total === null ? 0 : Math.max(0, total - ids.length),
  };
}

const unseen = { state: 'PENDING', task: null, reason: 'not looked up' } as const;

function nameOf({ body }: ChordManifest): string | null {
  return storedId(body) === null ? body.task : null;
}

/** Known members: those of the header, in their order, then those that were added, then those that have ended and are in no list. */
export function idsOf({ manifest, count, parts }: FoundChord): readonly string[] {
  return [...new Set([...(manifest?.members ?? []), ...count.added, ...parts.map(({ taskId }) => taskId)])];
}

export function indexOf({ manifest }: FoundChord, member: string): number | null {
  const index = manifest?.members.indexOf(member) ?? -1;
  return index < 0 ? null : index;
}

async function stateOf(
  app: App,
  { backend }: FoundChord,
  id: string,
): Promise<Pick<ChordMember, 'state' | 'task' | 'reason'>> {
  const [record, known] = await Promise.all([backend.get(id), app.history.get(id).catch(() => undefined)]);
  const state =
    record !== undefined && record.status !== 'PENDING' ? record.status : (known?.state ?? 'PENDING');
  const task = known?.name ?? null;
  if (isReady(state)) return { state, task, reason: 'it has ended, and its end was not counted' };
  const worker = known?.worker == null ? '' : ` by ${known.worker}`;
  const queue = known?.queue == null ? '' : ` to '${known.queue}'`;
  if (state === 'PENDING')
    return {
      state,
      task,
      reason:
        known === undefined ? 'no worker has reported it' : `sent${queue}, and no worker has reported it`,
    };
  return { state, task, reason: `it has not ended since it was ${state.toLowerCase()}${worker}` };
}
