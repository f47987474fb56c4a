// May this message run? A decision from facts; nothing is done here.
import type { Decoded, Refusal, TaskMessage } from '../protocol/message.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import { parkDelayMs } from './unknown-task.ts';

/** What is known of a delivery when it is decided on. `T` is the task, when it is known. */
export interface Facts<T> {
  readonly message: Decoded<TaskMessage>;
  readonly task: T | undefined;
  /** It came back, and its result is recorded: what was missing was the ack. Else null. */
  readonly finished: ResultRecord | null;
  /** It was revoked, by its id or by a stamp. */
  readonly revoked: boolean;
  readonly strikes: number;
  readonly parks: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly maxDeliveries: number;
  readonly unknownGraceMs: number;
  /** Asked when it might run: when its rate limit lets it, if not now. */
  readonly limited: () => number | null;
}

export type Admission<T> =
  | { readonly kind: 'run'; readonly task: T; readonly message: TaskMessage }
  | { readonly kind: 'undecodable'; readonly refusal: Refusal }
  | { readonly kind: 'finished'; readonly message: TaskMessage; readonly record: ResultRecord }
  | { readonly kind: 'expired'; readonly message: TaskMessage }
  | { readonly kind: 'revoked'; readonly message: TaskMessage }
  /** Its workers died too often. */
  | { readonly kind: 'deadly'; readonly message: TaskMessage; readonly strikes: number }
  | { readonly kind: 'early'; readonly message: TaskMessage; readonly until: Date }
  /** Its rate limit lets it then. */
  | { readonly kind: 'limited'; readonly message: TaskMessage; readonly until: Date }
  /** Put aside until then; `null`: the grace is used up. */
  | { readonly kind: 'unknown'; readonly message: TaskMessage; readonly until: Date | null };

/** A message that may not run, or not now. */
export type Rejection = Exclude<Admission<never>, { kind: 'run' }>;

export function admit<T>(facts: Facts<T>): Admission<T> {
  const { task, now } = facts;
  if (!facts.message.ok) return { kind: 'undecodable', refusal: facts.message.refusal };
  const message = facts.message.value;
  if (facts.finished !== null) return { kind: 'finished', message, record: facts.finished };
  if (facts.revoked) return { kind: 'revoked', message };
  if (message.expires !== null && message.expires.getTime() <= now) return { kind: 'expired', message };
  if (facts.strikes >= facts.maxDeliveries) return { kind: 'deadly', message, strikes: facts.strikes };
  // Before the name is looked at: tomorrow's message may be for tomorrow's worker.
  if (message.eta !== null && message.eta.getTime() > now)
    return { kind: 'early', message, until: message.eta };
  if (task !== undefined) {
    const limitedMs = facts.limited();
    if (limitedMs !== null) return { kind: 'limited', message, until: new Date(limitedMs) };
    return { kind: 'run', task, message };
  }
  const delayMs = parkDelayMs(facts.parks, facts.unknownGraceMs);
  return { kind: 'unknown', message, until: delayMs === null ? null : new Date(now + delayMs) };
}
