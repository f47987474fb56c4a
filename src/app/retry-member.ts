// Sends a member of a chord again, with its own id: the chord counts it once.
import { ChordRepairError } from '../errors.ts';
import { calleeNamed, checkArguments } from '../sending/callee.ts';
import { rulesOf } from '../sending/publish.ts';
import { send } from '../sending/send.ts';
import { taskRevocation, workflowRevocation } from '../stores/fanout.ts';
import type { ChordManifest } from '../workflow/chord-manifest.ts';
import type { PlannedCall } from '../workflow/planned.ts';
import { preparePlanned } from '../workflow/planned-calls.ts';
import type { App } from './app.ts';
import type { RetryMemberChanges } from './chords.ts';
import { knownCall } from './retry-task.ts';

interface MemberPlace {
  readonly groupId: string;
  readonly groupIndex: number | null;
  readonly manifest: ChordManifest;
}

/** Dead letters that are looked at. */
const lookedAt = 1_000;

/**
 * Prepares the message; the returned function sends it.
 * @throws ChordRepairError, TaskNotRetriableError, InvalidArgumentsError
 */
export async function sendMemberAgain(
  app: App,
  chordId: string,
  id: string,
  { groupId, groupIndex, manifest }: MemberPlace,
  changes: RetryMemberChanges,
): Promise<() => Promise<void>> {
  const { body, rootId } = manifest;
  const revocations = await (await app.broker()).revocations.read();
  if ([taskRevocation(id), workflowRevocation(rootId)].some((each) => revocations.includes(each)))
    throw new ChordRepairError(
      chordId,
      `has the member ${id}, which is revoked, so that no worker would run it; give it a value`,
    );
  if (!isChanged(changes) && (await deadLetterOf(app, id)) !== null) return async () => {};
  const record = (await app.history.get(id).catch(() => undefined)) ?? null;
  const { name, args, kwargs } = knownCall(id, record, changes);
  const { queue = record?.queue, priority = record?.priority } = changes;
  const call: PlannedCall = {
    id,
    task: name,
    args,
    kwargs,
    options: { ...(queue && { queue }), ...(priority != null && { priority }) },
    embed: { callbacks: null, errbacks: null, chain: null, chord: body },
    groupId,
    groupIndex,
    rootId,
    parentId: record?.parentId ?? null,
    replacedTaskNesting: 0,
  };
  await checkArguments(calleeNamed(app, name), call);
  const prepared = preparePlanned(app, call);
  return () =>
    send(app, [prepared], {
      rules: rulesOf(app, {}),
      publish: async (publications, publish) => {
        // The store knows the id from its first message, and would take this one for a repetition.
        await publish(publications.map(({ write: _, once: __, ...publication }) => publication));
        return true;
      },
    });
}

/** Puts the member's dead letter back into its queue; false: it is none, or it is to run with changes. */
export async function replayMember(app: App, id: string, changes: RetryMemberChanges): Promise<boolean> {
  const letter = isChanged(changes) ? null : await deadLetterOf(app, id);
  if (letter === null) return false;
  const { done } = await app.audit.without(() => app.deadLetters.replay(letter));
  return done.length > 0;
}

function isChanged(changes: RetryMemberChanges): boolean {
  return Object.values(changes).some((value) => value !== undefined);
}

async function deadLetterOf(app: App, id: string): Promise<number | null> {
  for await (const letter of app.deadLetters.list({ limit: lookedAt }))
    if (letter.call?.id === id) return letter.id;
  return null;
}
