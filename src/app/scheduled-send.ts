// Sending one run of a schedule: under an id of its own, together with the note that it was sent where one store keeps both.
import { ConfigError } from '../errors.ts';
import type { StoreWrite } from '../lib/store-write.ts';
import type { WireSignature } from '../protocol/message.ts';
import type { Publication } from '../transports/transport.ts';
import type { App } from './app.ts';
import type { CallOptions } from './call-options.ts';
import { type CallArguments, calleeNamed, submit } from './submit.ts';

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
  const { task, args, kwargs } = run.kind === 'task' ? run : callOf(run.signature);
  await submit(app, calleeNamed(app, task), { args, kwargs }, options, guard);
  return carried !== null;
}

function callOf(signature: WireSignature): { readonly task: string } & CallArguments {
  if (signature.subtask_type !== null)
    throw new ConfigError(
      `a ${signature.subtask_type} cannot be scheduled in this version; schedule a task that starts it`,
    );
  return signature;
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
    // They are put in one transaction, in this order.
    const follow: StoreWrite = { store: note.store, apply: () => accepted };
    return [{ ...first, write }, ...others.map((other) => ({ ...other, write: follow }))];
  };
}
