// The contract of limits that all workers of a store share: how many at once, how many in a second. Kept with messages or with results.

/** One limit that a run needs. */
export interface LimitAsk {
  readonly kind: 'concurrency' | 'rate';
  /** Whose limit it is: what people change it by. */
  readonly name: string;
  /** What is counted together: the name, and the key's value if there is one. */
  readonly key: string;
  /** At once, or in a second. */
  readonly limit: number;
  /** Of a rate: so many may start at once after a pause. */
  readonly burst: number;
}

/** All of `asks`, or none. */
export interface TakeRequest {
  /** Of this run: a repeated request is the same one. */
  readonly token: string;
  /** The message, by which it keeps its place among the waiting, and its queue. */
  readonly id: string;
  readonly queue: string;
  readonly asks: readonly LimitAsk[];
  /** False: a message that must wait is not queued, and is not notified. */
  readonly waits: boolean;
  /** When who must wait asks again by itself: after `baseMs`, and `perMs` more for each who waits before it, `capMs` at most. */
  readonly baseMs: number;
  readonly perMs: number;
  readonly capMs: number;
}

/** `untilMs`: when to ask again, milliseconds since 1970 by the store's clock. */
export type Grant = { readonly granted: true } | { readonly granted: false; readonly untilMs: number };

/** A message that waits for a permit and may ask again now: the one of its queue that was deferred until `due`. */
export interface WaitingMessage {
  readonly key: string;
  readonly id: string;
  readonly queue: string;
  /** As {@link Grant.untilMs}. */
  readonly due: number;
}

export interface LimitsOptions {
  readonly leaseMs: number;
  readonly name: string;
  /** Permits were freed: these messages may ask again now. Each is named once; for a message that is not there call {@link Limits.cancelWait}. */
  readonly onFree: (waiters: readonly WaitingMessage[]) => void;
}

/** This worker among those who share the limits. What it holds is freed when it closes, or dies. */
export interface Limits extends AsyncDisposable {
  /** @throws BrokerUnavailable: it may be asked again with the same token. */
  take(request: TakeRequest): Promise<Grant>;
  /** The run has ended. Never rejects: what the store refuses now is repeated. */
  release(token: string, asks: readonly LimitAsk[]): void;
  /** The message does not wait any more (it was revoked, has expired …): the next waiting message may ask. */
  cancelWait(waiter: WaitingMessage): void;
  /** Overrides a limit for all workers, until it is changed again. Null: no limit; undefined: the limit that the code sets. */
  override(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void>;
  /** Frees all that is held. */
  close(): Promise<void>;
}

/** How long a freed permit is reserved for the message that was notified, milliseconds. */
export const reservedMs = 2000;
/** A notified message that has not asked after this time is notified once more: the worker that had to pass the notice on may have died. Milliseconds. */
export const renotifyMs = 3000;
/** The maximum number of reservations in one rate limit. Messages beyond it ask again when a reservation is about to end. */
export const maxReservations = 5000;
/** A reservation that nobody has used ends after this time, and a notified message that has not asked waits no longer. Milliseconds. */
export const forgetMs = 30_000;
