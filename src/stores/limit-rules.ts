// The rules of shared limits, for stores whose tables change in one step: memory, SQLite. Redis has the same rules in Lua.
import {
  forgetMs,
  type Grant,
  type LimitAsk,
  maxReservations,
  reservedMs,
  type TakeRequest,
  type WaitingMessage,
} from './limits.ts';

/** A waiting message, in the order of `since`, then of `id`. `notified`: when it was notified; 0: it was not. Milliseconds since 1970. */
export interface QueuedWaiter extends WaitingMessage {
  readonly since: number;
  readonly notified: number;
}

/** The state of a rate limit: when the next task may start, and when the next message without a reservation asks again. */
export interface RateState {
  readonly next: number;
  readonly spread: number;
}

export interface LimiterStore {
  /** A limit set at run time; null: no limit; undefined: the limit in the code applies. */
  override(kind: LimitAsk['kind'], name: string): number | null | undefined;
  held(key: string): number;
  isHeld(key: string, token: string): boolean;
  hold(key: string, token: string): void;
  drop(key: string, token: string): void;
  waiter(key: string, id: string): QueuedWaiter | undefined;
  putWaiter(waiter: QueuedWaiter): void;
  removeWaiter(key: string, id: string): void;
  /** How many messages wait and were not notified, up to {@link maxCounted}. */
  waiting(key: string): number;
  first(key: string): QueuedWaiter | undefined;
  notifiedSince(key: string, ms: number): number;
  /** Removes messages that were notified before this time and did not ask. */
  forgetNotified(key: string, ms: number): void;
  rate(key: string): RateState;
  setRate(key: string, state: RateState): void;
  reservation(key: string, id: string): number | undefined;
  reservations(key: string): number;
  reserve(key: string, id: string, at: number): void;
  endReservation(key: string, id: string): void;
  forgetReservations(key: string, before: number): void;
}

/** Beyond this number of waiters the exact count does not matter. */
export const maxCounted = 1000;
/** How many are notified at once. */
const maxNotified = 1000;

/** Grants all that is asked for, or queues the message. */
export function takeFrom(tables: LimiterStore, request: TakeRequest, now: number): Grant {
  const asks = request.asks.map((ask) => ({ ...ask, limit: limitOf(tables, ask) }));
  for (const ask of asks) {
    if (ask.kind !== 'concurrency' || ask.limit === null || hasRoom(tables, request, ask, ask.limit, now))
      continue;
    return { granted: false, untilMs: queueWaiter(tables, request, ask.key, now) };
  }
  for (const ask of asks) {
    if (ask.kind !== 'rate' || ask.limit === null) continue;
    const at = reservedTimeOf(tables, request.id, ask, ask.limit, now);
    if (at > now) return { granted: false, untilMs: at };
  }
  for (const ask of asks) {
    if (ask.limit === null) continue;
    if (ask.kind === 'rate') tables.endReservation(ask.key, request.id);
    else {
      tables.removeWaiter(ask.key, request.id);
      tables.hold(ask.key, request.token);
    }
  }
  return { granted: true };
}

/** Releases permits; returns the messages that are notified. */
export function releaseFrom(
  tables: LimiterStore,
  token: string,
  asks: readonly LimitAsk[],
  now: number,
): readonly WaitingMessage[] {
  const notified: WaitingMessage[] = [];
  for (const ask of asks) {
    if (ask.kind !== 'concurrency') continue;
    tables.drop(ask.key, token);
    const limit = limitOf(tables, ask) ?? Number.POSITIVE_INFINITY;
    const room = limit - tables.held(ask.key) - tables.notifiedSince(ask.key, now - reservedMs);
    notified.push(...notifyWaiters(tables, ask.key, room, now));
  }
  return notified;
}

/** Notifies waiting messages in their order. */
export function notifyWaiters(
  tables: LimiterStore,
  key: string,
  max: number,
  now: number,
): readonly WaitingMessage[] {
  const notified: WaitingMessage[] = [];
  tables.forgetNotified(key, now - forgetMs);
  while (notified.length < Math.min(max, maxNotified)) {
    const first = tables.first(key);
    if (first === undefined) break;
    tables.putWaiter({ ...first, notified: now });
    notified.push(first);
  }
  return notified;
}

function limitOf(tables: LimiterStore, { kind, name, limit }: LimitAsk): number | null {
  const override = tables.override(kind, name);
  return override === undefined ? limit : override;
}

/** Whether there is room for a new message: notified messages come first. */
function hasRoom(
  tables: LimiterStore,
  request: TakeRequest,
  { key }: Pick<LimitAsk, 'key'>,
  limit: number,
  now: number,
): boolean {
  if (tables.isHeld(key, request.token)) return true;
  const held = tables.held(key);
  if (held >= limit) return false;
  const own = tables.waiter(key, request.id);
  if (own !== undefined && own.notified > 0) return true;
  return held + tables.notifiedSince(key, now - reservedMs) < limit;
}

function queueWaiter(tables: LimiterStore, request: TakeRequest, key: string, now: number): number {
  const { id, queue, waits: inLine, baseMs, perMs, capMs } = request;
  const before = inLine ? tables.waiting(key) : 0;
  const due = now + Math.ceil(Math.min(baseMs + perMs * before, capMs)) + Math.floor(Math.random() * 200);
  if (!inLine) return due;
  const since = tables.waiter(key, id)?.since ?? now;
  tables.putWaiter({ key, id, queue, due, since, notified: 0 });
  return due;
}

/** When the message may start: now, or at a reserved time, at which it comes back. */
function reservedTimeOf(
  tables: LimiterStore,
  id: string,
  { key, burst }: Pick<LimitAsk, 'key' | 'burst'>,
  rate: number,
  now: number,
): number {
  const reserved = tables.reservation(key, id);
  if (reserved !== undefined) return reserved;
  const intervalMs = 1000 / rate;
  const { next, spread } = tables.rate(key);
  const earliest = Math.max(now, Math.ceil(next - (burst - 1) * intervalMs));
  if (earliest > now) {
    tables.forgetReservations(key, now - forgetMs);
    if (tables.reservations(key) >= maxReservations) {
      const later = Math.max(spread, next, now) + intervalMs;
      tables.setRate(key, { next, spread: later });
      return Math.ceil(later);
    }
  }
  tables.setRate(key, { next: Math.max(next, now) + intervalMs, spread });
  if (earliest > now) tables.reserve(key, id, earliest);
  return earliest;
}
