// The contract of changes to messages that wait in a queue: moving, deleting, rescheduling.
import type { Decoded, WireMessage } from '../protocol/message.ts';

/** A message that waits. */
export interface PlacedMessage {
  /** When it is due; null: it is ready. */
  readonly due: Date | null;
  readonly message: Decoded<WireMessage>;
}

/** What becomes of a waiting message: it stays, it is deleted, or it goes to another place. */
export type WaitingDecision =
  | 'keep'
  | 'delete'
  | {
      readonly queue: string;
      /** Null, or a time in the past: it is ready. */
      readonly due: Date | null;
      /** Its new content, whose priority orders it; null: its bytes and its priority stay as they are. */
      readonly message: WireMessage | null;
      /** Its eta has not come, and a worker shall look at it all the same, for example because it is revoked. With `message` null. */
      readonly early?: boolean;
    };

export interface WaitingChanges {
  /** Ready messages are visited in the order in which they would be claimed, scheduled ones by their time. */
  readonly places: readonly ('ready' | 'scheduled')[];
  /** At most this number of messages is changed. */
  readonly limit: number;
  readonly decide: (message: PlacedMessage) => WaitingDecision;
  /** Called with messages that were changed, some at a time. */
  readonly changed?: (messages: readonly PlacedMessage[]) => void | Promise<void>;
}

/** How many messages are read, and changed in one step. */
export const waitingWindow = 100;

/** A message of a window, and its decision, which is not 'keep'. */
export interface Decided<M extends PlacedMessage> {
  readonly found: M;
  readonly decision: Exclude<WaitingDecision, 'keep'>;
}

/** The messages of a window that are to be changed, at most `limit`. */
export function decisionsOf<M extends PlacedMessage>(
  window: readonly M[],
  { decide }: Pick<WaitingChanges, 'decide'>,
  limit: number,
): readonly Decided<M>[] {
  const decided: Decided<M>[] = [];
  for (const found of window) {
    if (decided.length >= limit) break;
    const decision = decide(found);
    if (decision !== 'keep') decided.push({ found, decision });
  }
  return decided;
}
