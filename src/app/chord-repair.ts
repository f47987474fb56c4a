// Shows and repairs chords that wait for members. A member's end is counted as a worker counts it: of several that end it at the same time one
// is counted, and one of all programs sends the body. So a repetition after a crash changes nothing, or does what is still to do.
import { ChordRepairError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/logger.ts';
import { uuid5 } from '../lib/uuid.ts';
import { type ChordPart, encodePart } from '../protocol/chord-part.ts';
import { isReady, type WireException } from '../protocol/result-meta.ts';
import { rulesOf } from '../sending/publish.ts';
import { publishReady } from '../sending/send.ts';
import type { ResultBackend } from '../stores/backend.ts';
import type { ChordCount } from '../stores/chords.ts';
import { resolve } from '../workflow/by-reference.ts';
import type { ChordManifest } from '../workflow/chord-manifest.ts';
import { memberEnd } from '../workflow/failure-propagation.ts';
import { chordError, type Follow, failBody, type MemberEnd } from '../workflow/follow.ts';
import { resultId } from '../workflow/freeze.ts';
import type { App } from './app.ts';
import { type FoundChord, findChord, idsOf, indexOf, statusOf } from './chord-status.ts';
import type { ChordStatus, RetryMemberChanges } from './chords.ts';
import { replayMember, sendMemberAgain } from './retry-member.ts';
import { revokeTasks } from './revoke.ts';
import { ChordCounter } from './running/chord-counter.ts';
import { ContinuationPlanner, maybeSentBefore } from './running/continuation-planner.ts';
import { callErrback } from './running/errback.ts';

/** A chord whose body can be sent. */
interface RepairableChord extends FoundChord {
  readonly manifest: ChordManifest;
}

export async function retryMember(
  app: App,
  id: string,
  member: string,
  changes: RetryMemberChanges,
): Promise<ChordStatus> {
  const chord = await openChord(app, id);
  const part = missingMember(chord, member);
  const record = part === undefined ? await chord.backend.get(member) : undefined;
  const { manifest } = chord;
  if (record?.status === 'SUCCESS') {
    await app.audit.record('chord.retry', `${chord.id} ${member}`);
    return endMembers(app, chord, [{ taskId: member, status: 'SUCCESS', result: record.result }]);
  }
  const place = { groupId: chord.id, groupIndex: indexOf(chord, member), manifest };
  const sending = await sendMemberAgain(app, chord.id, member, place, changes);
  await app.audit.record('chord.retry', `${chord.id} ${member}`);
  await withdraw(chord, part);
  if (!(await replayMember(app, member, changes))) await sending();
  return now(app, chord);
}

export async function giveValue(app: App, id: string, member: string, value: unknown): Promise<ChordStatus> {
  const chord = await openChord(app, id);
  const part = missingMember(chord, member);
  const end: ChordPart = { taskId: member, status: 'SUCCESS', result: value ?? null };
  encodePart(end); // throws if it cannot be stored
  await app.audit.record('chord.give', `${chord.id} ${member}`);
  await withdraw(chord, part);
  return endMembers(app, chord, [end]);
}

export async function fireBody(
  app: App,
  id: string,
  missing: { readonly value?: unknown },
): Promise<ChordStatus> {
  const chord = await repairable(app, id);
  const { manifest, parts, count } = chord;
  if (count.closer === canceller(chord.id))
    throw new ChordRepairError(chord.id, 'was being cancelled when that program died; cancel it again');
  const keepsFailed = manifest.body.chord_policy === 'all-settled';
  const failed = keepsFailed ? [] : parts.filter(({ status }) => status !== 'SUCCESS');
  const ended = new Set(parts.filter((part) => !failed.includes(part)).map(({ taskId }) => taskId));
  const open = idsOf(chord).filter((member) => !ended.has(member));
  const hasValue = 'value' in missing;
  const ends = open.map(
    (taskId): ChordPart => ({ taskId, status: 'SUCCESS', result: missing.value ?? null }),
  );
  if (hasValue && count.closer === null) {
    const total = count.size === null ? null : count.size + count.extra;
    if (total === null || ended.size + open.length < total)
      throw new ChordRepairError(
        chord.id,
        'has missing members whose ids are not known, so they cannot be given a value; leave them out: fire it without a value',
      );
    for (const end of ends) encodePart(end);
  }
  await app.audit.record('chord.fire', chord.id);
  if (count.closer === null) {
    for (const part of failed) await withdraw(chord, part);
    if (hasValue && ends.length > 0) return endMembers(app, chord, ends);
  }
  await sendBody(app, chord, count.closer);
  return now(app, chord);
}

export async function cancelChord(app: App, id: string): Promise<ChordStatus> {
  const chord = await repairable(app, id);
  const { manifest, parts, count, chords, backend } = chord;
  const closer = canceller(chord.id);
  if (count.closer !== null && count.closer !== closer)
    throw new ChordRepairError(
      chord.id,
      `is complete: whoever completed it sends its body ${resultId(manifest.body) ?? ''}, which can be revoked. If that program is dead, fire it`,
    );
  await app.audit.record('chord.cancel', chord.id);
  // First of all: from here on no member completes it.
  if (!(await chords.close(chord.id, closer))) return now(app, chord);
  const ended = new Set(parts.map(({ taskId }) => taskId));
  const open = idsOf(chord).filter((member) => !ended.has(member));
  if (open.length > 0) await revokeTasks(app, open, {});
  for (const taskId of open) {
    const about = { traceback: null, children: [], dateDone: new Date(), groupId: chord.id };
    if (!isReady((await backend.get(taskId))?.status ?? 'PENDING'))
      await backend.put({ taskId, status: 'REVOKED', result: revoked, ...about });
  }
  const { planner } = machinery(app, backend);
  const body = await resolve(manifest.body, planner.rules().load);
  const failure = chordError(`The chord was cancelled; ${open.length} of its members had not ended`);
  const follow = await failBody(body, manifest.rootId, failure, planner.rules());
  await carryOut(app, chord, [], { ...follow, unlocked: chord.id });
  return now(app, chord);
}

const revoked: WireException = {
  exc_type: 'TaskRevokedError',
  exc_message: ['revoked'],
  exc_module: 'celery.exceptions',
};

/** Counts ends of members, after their records are kept; sends the body if they complete the chord. */
async function endMembers(
  app: App,
  chord: RepairableChord,
  ends: readonly ChordPart[],
): Promise<ChordStatus> {
  for (const { taskId, status, result } of ends) {
    const about = { traceback: null, children: [], dateDone: new Date(), groupId: chord.id };
    await chord.backend.put({ taskId, status, result, ...about });
  }
  const { id, chords } = chord;
  for (const part of ends) {
    const { place } = endOf(chord, part);
    await chords.add(part, { ...place, last: false, held: true });
  }
  const count = await chords.look(id);
  if (count === null || count.done || count.size === null) return now(app, chord);
  if (count.count >= count.size + count.extra) await sendBody(app, chord, count.closer);
  return now(app, chord);
}

/**
 * Sends the body, if nobody else does. Not in the name of a member, which may still come and would send the body, too.
 * @param closer who has completed the chord, and did not send the body
 */
async function sendBody(app: App, chord: RepairableChord, closer: string | null): Promise<void> {
  const { id, chords } = chord;
  if (!(await chords.close(id, closer ?? uuid5(id, 'repair')))) return;
  const [last = { taskId: uuid5(id, 'repair'), status: 'SUCCESS', result: null }] = (
    await chords.parts(id)
  ).slice(-1);
  await carryOut(app, chord, [{ ...endOf(chord, last), closed: true }]);
}

/** What a worker does when it settles a member: the body's message, the records of what will not run, and then the end of the chord. */
async function carryOut(
  app: App,
  { backend }: FoundChord,
  members: readonly MemberEnd[],
  follow: Follow = { starts: [], errbacks: [], records: [], members },
): Promise<void> {
  const { planner, counter } = machinery(app, backend);
  const plan = await planner.write(follow);
  await planner.makeReady(follow);
  const counted = await counter.count(follow, never);
  if (counted === null) return;
  const around = { signal: never, logger: silentLogger };
  for (const call of counted.errbacks) await callErrback(app, call, around);
  const publications = maybeSentBefore([...plan.publications, ...counted.publications]);
  if (publications.length > 0)
    await publishReady(app, { calls: [], publications }, { rules: rulesOf(app, {}) });
  for (const record of [...follow.records, ...counted.records]) await backend.put(record);
  await counter.finish(counted.complete);
}

function machinery(
  app: App,
  backend: ResultBackend,
): { planner: ContinuationPlanner; counter: ChordCounter } {
  const planner = new ContinuationPlanner({ app, backend, clock: systemClock });
  const retry = async (
    _what: string,
    _lost: AbortSignal,
    operation: () => Promise<void>,
  ): Promise<boolean> => {
    await operation();
    return true;
  };
  return { planner, counter: new ChordCounter({ backend, logger: silentLogger, retry }, planner) };
}

const never = new AbortController().signal;

function endOf(chord: RepairableChord, part: ChordPart): MemberEnd {
  const { body, rootId } = chord.manifest;
  return memberEnd(part, chord.id, indexOf(chord, part.taskId), body, rootId);
}

/** In whose name a chord is cancelled: if the process that does it dies, it is known what is left to do. */
function canceller(chordId: string): string {
  return uuid5(chordId, 'cancel');
}

/** @throws ChordRepairError */
async function repairable(app: App, id: string): Promise<RepairableChord> {
  const chord = await findChord(app, id);
  if (chord === null)
    throw new ChordRepairError(
      id,
      'is not known: it has never been, or has ended or expired. Without a recorder (umbel recorder) only the id of its header, the group, finds it',
    );
  if (chord.count.done) throw new ChordRepairError(chord.id, 'has ended: its body was sent, or has failed');
  const { manifest } = chord;
  if (manifest === null)
    throw new ChordRepairError(
      chord.id,
      'cannot be repaired, since its body is not known: only its members have it. Its sender is a Python program, an older version of Umbel, or still sending',
    );
  return { ...chord, manifest };
}

/** A chord that still counts members. @throws ChordRepairError */
async function openChord(app: App, id: string): Promise<RepairableChord> {
  const chord = await repairable(app, id);
  if (chord.count.closer !== null)
    throw new ChordRepairError(
      chord.id,
      'is complete: whoever completed it sends its body. If that program is dead, fire it',
    );
  return chord;
}

/** The end of a member that did not succeed; undefined: it is missing. @throws ChordRepairError */
function missingMember(chord: RepairableChord, member: string): ChordPart | undefined {
  const part = chord.parts.find(({ taskId }) => taskId === member);
  if (part?.status === 'SUCCESS') throw new ChordRepairError(chord.id, `has the result of ${member} already`);
  if (!idsOf(chord).includes(member))
    throw new ChordRepairError(chord.id, `has no member ${member}; see: umbel tasks chord show ${chord.id}`);
  return part;
}

/** @throws ChordRepairError when the chord was completed meanwhile */
async function withdraw({ id, chords }: RepairableChord, part: ChordPart | undefined): Promise<void> {
  if (part === undefined || (await chords.withdraw(id, part.taskId))) return;
  const count = await chords.look(id);
  if (count === null || count.done || count.closer !== null)
    throw new ChordRepairError(id, 'was completed in the meantime');
}

async function now(app: App, before: FoundChord): Promise<ChordStatus> {
  const { id, manifest, chords } = before;
  const count = await chords.look(id);
  const done: ChordCount = { ...before.count, done: true };
  const parts = count === null || count.done ? [] : await chords.parts(id);
  return statusOf(app, { ...before, manifest, count: count ?? done, parts });
}
