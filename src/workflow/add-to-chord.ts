// Adding a member to the chord of a running member: Celery's `add_to_chord`.

import { WorkflowError } from '../errors.ts';
import type { TaskMessage, WireSignature } from '../protocol/message.ts';
import type { AsyncResult } from '../results/async-result.ts';
import type { SendingApp } from '../sending/sending-app.ts';
import { derivedIds } from './freeze.ts';
import { sendWorkflow } from './send-workflow.ts';

/** A running task, with its place in its chord. */
interface ChordMember {
  readonly name: string;
  readonly app: SendingApp;
  readonly request: { readonly message: TaskMessage };
}

/**
 * Sends `signature` as one more member of the chord that `task` is a member of. `count`: how many members this run has added before. If the
 * worker dies, the repeated run adds the same members again, which has no effect.
 * @throws WorkflowError when the task is no member of a chord
 */
export async function addToChord<Out>(
  task: ChordMember,
  signature: WireSignature,
  count: number,
): Promise<AsyncResult<Out>> {
  const { id, group, embed, stamps } = task.request.message;
  const chords = (await task.app.open()).backend?.chords;
  if (group === null || embed.chord === null || chords === undefined)
    throw new WorkflowError(`${task.name}[${id}] is no member of a chord, so nothing can be added to it`);
  const newId = derivedIds(id, `added.${count}`);
  const added = newId('');
  // The chord grows before the member is sent: it may wait too long for a moment, but it never ends too early.
  await chords.extend(group, added);
  return sendWorkflow<Out>(task.app, signature, {
    id: added,
    newId,
    groupId: group,
    chord: embed.chord,
    asOne: true,
    stamps,
  });
}
