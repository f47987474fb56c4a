// Sending one run of a schedule under the run's own id. The note that it was sent goes with the message if both are in one store.

import type { CallOptions } from '../config/call-options.ts';
import { sendingOptionsOf, toWireOptions } from '../config/wire-options.ts';
import { DuplicateTaskError } from '../errors.ts';
import type { WireSignature } from '../protocol/message.ts';
import { type CallArguments, calleeNamed } from '../sending/callee.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Publication } from '../stores/transport.ts';
import { withOptions } from '../workflow/construct.ts';
import { derivedIds } from '../workflow/freeze.ts';
import { sendWorkflow } from '../workflow/send-workflow.ts';
import type { App } from './app.ts';
import { sendOrApply } from './send-or-apply.ts';

/** The call that a run sends. */
export type RunCall =
  | ({ readonly kind: 'task'; readonly task: string } & CallArguments)
  | { readonly kind: 'signature'; readonly signature: WireSignature };

/**
 * Sends a run. `options.taskId` is the run's id: a broker that can refuse a second message of one id does.
 * @param note goes with the message if it is for the broker's store. If `note` reports false, nothing is sent.
 * @returns whether `note` went with it
 * @throws as `applyAsync`
 */
export async function sendRun(
  app: App,
  run: RunCall,
  options: CallOptions,
  note: StoreWrite | null,
): Promise<boolean> {
  const { transport } = await app.open();
  const carried = note !== null && note.store === transport.store ? note : null;
  const guard = carried === null ? undefined : guarding(carried);
  if (run.kind === 'task') {
    await sendOrApply(app, calleeNamed(app, run.task), run, options, guard).catch((error: unknown) => {
      // The run before has not ended: the task's unique policy wants no second run.
      if (!(error instanceof DuplicateTaskError)) throw error;
    });
  } else {
    const { taskId = '', signal, ...own } = options;
    await sendWorkflow(app, withOptions(run.signature, toWireOptions(run.signature.task, own)), {
      id: taskId,
      newId: derivedIds(taskId, 'beat'), // sent again, all of its parts have the same ids
      sending: { ...sendingOptionsOf(own), ...(signal !== undefined && { signal }) },
      ...(guard !== undefined && { guard }),
    });
  }
  return carried !== null;
}

/** Sends all publications of a run if and only if the note is written. */
function guarding(note: StoreWrite): (publications: readonly Publication[]) => readonly Publication[] {
  return ([first, ...others]) => {
    if (first === undefined) return [];
    let accepted = false;
    const write: StoreWrite = {
      store: note.store,
      apply: (transaction) => {
        accepted = note.apply(transaction) && (first.write?.apply(transaction) ?? true);
        return accepted;
      },
    };
    // The store applies them in this order.
    const follow = (other: Publication): StoreWrite => ({
      store: note.store,
      apply: (transaction) => accepted && (other.write?.apply(transaction) ?? true),
    });
    return [{ ...first, write }, ...others.map((other) => ({ ...other, write: follow(other) }))];
  };
}
