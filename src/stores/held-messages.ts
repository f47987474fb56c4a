// Messages that consumers hold, as the store knows them.
import type { Decoded, WireMessage } from '../protocol/message.ts';

/** A message that a consumer holds. */
export interface HeldMessage {
  /** The message; null: it is left out, since all together would be too large. */
  readonly message: Decoded<WireMessage> | null;
  /** The name of its consumer (`ConsumeOptions.name`). */
  readonly consumer: string;
  /**
   * When the messages of this consumer come back if it is not heard of until then: each sign of life puts that off. All messages of a consumer share
   * it. Null: the consumer's death is seen at once.
   */
  readonly leaseEnds: Date | null;
}

/** Whether a held message is that of a task. */
export function isOfTask(message: Decoded<WireMessage> | null, taskId: string): boolean {
  return message?.ok === true && message.value.headers.id === taskId;
}
