// The contract of limits that all workers of a store share: concurrency and rates. Kept in the store of messages, or of results.
// See src/lib/service.ts.
/// <reference lib="esnext.disposable" preserve="true" />

/** One limit that a run needs. */
export interface LimitAsk {
  readonly kind: 'concurrency' | 'rate';
  /** The limit's name, by which people change it. */
  readonly name: string;
  /** The counter: the name, and the value of the limit's key if it has one. */
  readonly key: string;
  /** Runs at once, or starts per second. */
  readonly limit: number;
  /** For a rate: how many runs may start at once after a pause. */
  readonly burst: number;
}

/** A request for all of `asks` together. */
export interface TakeRequest {
  /** Identifies the run, `<id>/<a name of the run>`: a repeated request with the same token has no further effect. */
  readonly token: string;
  /** The message's id, by which it keeps its place in the wait queue. */
  readonly id: string;
  readonly queue: string;
  readonly asks: readonly LimitAsk[];
  /** False: a message that must wait is not queued, and is not notified. */
  readonly waits: boolean;
  /** When a message that must wait asks again by itself: after `baseMs`, plus `perMs` for each message before it, at most `capMs`. */
  readonly baseMs: number;
  readonly perMs: number;
  readonly capMs: number;
}

/** `untilMs`: when to ask again, milliseconds since 1970 by the store's clock. */
export type Grant = { readonly granted: true } | { readonly granted: false; readonly untilMs: number };

/** A message that waits for a permit and may ask again now: the message of its queue that was deferred until `due`. */
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
  /** Called when permits were freed: these messages may ask again. Each is named once; for a message that is gone call {@link Limits.cancelWait}. */
  readonly onFree: (waiters: readonly WaitingMessage[]) => void;
}

/** The limits, for one worker. Its permits are freed when it closes, or dies. */
export interface Limits extends AsyncDisposable {
  /** @throws BrokerUnavailable: ask again with the same token */
  take(request: TakeRequest): Promise<Grant>;
  /** Gives the permits back: the run has ended. Never rejects: a refused call is repeated. */
  release(token: string, asks: readonly LimitAsk[]): void;
  /** The message no longer waits (it was revoked, has expired …): the next waiting message may ask. */
  cancelWait(waiter: WaitingMessage): void;
  /** Sets a limit for all workers. Null: no limit; undefined: the limit in the code applies again. */
  override(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void>;
  /** Gives back all permits. */
  close(): Promise<void>;
}

/** What a store holds of one counter. */
export interface LimitUse {
  readonly key: LimitAsk['key'];
  /** Permits in use. */
  readonly inUse: number;
  /** The tasks that have them; of many, some. */
  readonly holders: readonly string[];
  /** Messages that wait for a permit. */
  readonly waiting: number;
  /** Those that come next first; of many, some. Milliseconds since 1970. */
  readonly waiters: readonly { readonly id: string; readonly queue: string; readonly sinceMs: number }[];
  /** Null: no rate counts here. `nextMs`: when a task could start that asks now, without a burst; `reserved`: how many messages have a time to start. */
  readonly rate: { readonly nextMs: number; readonly reserved: number } | null;
}

/** The limits of a store, to be shown. */
export interface LimitReport {
  /** Counters that are in use, by key. */
  readonly uses: readonly LimitUse[];
  /** There are more counters. */
  readonly more: boolean;
  /** Limits that were set for all workers; null: no limit. */
  readonly overrides: readonly {
    readonly kind: LimitAsk['kind'];
    readonly name: string;
    readonly limit: number | null;
  }[];
}

/** How much of it is read: counters, and holders and waiters of each. */
export interface LimitReading {
  readonly counters: number;
  readonly each: number;
}

interface KeepsLimits {
  readLimits?(reading: LimitReading): Promise<LimitReport>;
}

/** The limits of an application: kept with its messages, else with its results. Null: neither store can keep or show them. Throws BrokerUnavailable. */
export async function limitsOf(
  stores: { readonly transport: KeepsLimits; readonly backend: KeepsLimits | null },
  reading: LimitReading,
): Promise<LimitReport | null> {
  return (await (stores.transport.readLimits?.(reading) ?? stores.backend?.readLimits?.(reading))) ?? null;
}

/** The id of the task that has a permit: a token is `<id>/<a name of the run>`. */
export function holderOf(token: string): string {
  const end = token.lastIndexOf('/');
  return end < 0 ? token : token.slice(0, end);
}

/** The kind and the name of an override, which stores keep as `<kind> <name>`. */
export function overrideOf(text: string): Pick<LimitAsk, 'kind' | 'name'> {
  const [kind = '', ...name] = text.split(' ');
  return { kind: kind === 'rate' ? 'rate' : 'concurrency', name: name.join(' ') };
}

/** How long a freed permit is reserved for the message that was notified, milliseconds. */
export const reservedMs = 2000;
/** A notified message that has not asked after this time is notified again, milliseconds: the worker that was to pass the notification on may have died. */
export const renotifyMs = 3000;
/** The maximum number of reservations in one rate limit. Messages beyond it ask again when a reservation is about to end. */
export const maxReservations = 5000;
/** Milliseconds; after this time an unused reservation ends, and a notified message that has not asked is removed from the wait queue. */
export const forgetMs = 30_000;
