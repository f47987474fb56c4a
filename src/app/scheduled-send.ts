// Sending one run of a schedule: under an id of its own, together with the note that it was sent where one store keeps both.

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

/** What a run sends. */
export type RunCall =
  | ({ readonly kind: 'task'; readonly task: string } & CallArguments)
  | { readonly kind: 'signature'; readonly signature: WireSignature };

/**
 * Sends a run. `options.taskId` is the run's id: sent again under it, it is refused where the broker can.
 * @param note goes with the message if it is for the broker's store: if it reports false, nothing is sent
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
      // The run before this one is not over yet: that is what the task asks for.
      if (!(error instanceof DuplicateTaskError)) throw error;
    });
  } else {
    const { taskId = '', signal, ...own } = options;
    await sendWorkflow(app, withOptions(run.signature, toWireOptions(run.signature.task, own)), {
      id: taskId,
      newId: derivedIds(taskId, 'beat'), // sent again, all of its parts have the same ids again
      sending: { ...sendingOptionsOf(own), ...(signal !== undefined && { signal }) },
      ...(guard !== undefined && { guard }),
    });
  }
  return carried !== null;
}

/** All publications of a run are made if and only if the note is. */
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
    // They are put in this order.
    const follow = (other: Publication): StoreWrite => ({
      store: note.store,
      apply: (transaction) => accepted && (other.write?.apply(transaction) ?? true),
    });
    return [{ ...first, write }, ...others.map((other) => ({ ...other, write: follow(other) }))];
  };
}
