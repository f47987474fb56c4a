// The body of a chord, as its members carry it.
import type { WireSignature } from '../protocol/message.ts';
import type { ChordPolicy } from '../protocol/workflow-wire.ts';
import { defaultInlineBytes, PayloadStore, type Stored } from './by-reference.ts';
import { kindOf, withOptions } from './construct.ts';
import { freeze, type Handle, handleOf } from './freeze.ts';
import { normalize } from './normal-form.ts';

export interface CarriedBody {
  /** The body with its ids: sent directly when the header is empty. */
  readonly body: WireSignature;
  /** The body as each member's message carries it. */
  readonly carried: WireSignature;
  readonly stored: readonly Stored[];
  readonly handle: Handle;
}

/** For a chord whose members are planned one at a time, and whose size is known only at the end. */
export function carriedBody(
  signature: WireSignature,
  chord: {
    readonly groupId: string;
    readonly policy: ChordPolicy | null;
    readonly id: string | null;
    readonly newId: (place: string) => string;
    readonly inlineBytes?: number;
  },
): CarriedBody {
  const { groupId, policy, id, newId, inlineBytes } = chord;
  const frozen = freeze(normalize(signature), id, newId);
  const body = kindOf(frozen) === 'task' ? withOptions(frozen, { group_id: groupId }) : frozen;
  const payloads = new PayloadStore(inlineBytes ?? defaultInlineBytes, newId);
  const carried = payloads.one(policy === null ? body : { ...body, chord_policy: policy });
  return { body, carried, stored: payloads.stored, handle: handleOf(frozen) };
}
