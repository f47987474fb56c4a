// The rules of shared limits, over tables that change in one step with all else: memory, SQLite. (Redis has the same rules in Lua.)
import {
  forgetMs,
  type Grant,
  type LimitAsk,
  maxPromised,
  reservedMs,
  type TakeRequest,
  type Waiter,
} from './limits.ts';

/** Somebody in line, in the order of `since`, then of `id`. `woken`: when it was told to come; 0: it was not. Milliseconds since 1970. */
export interface InLine extends Waiter {
  readonly since: number;
  readonly woken: number;
}

/** Where a rate stands: when the next may start, and when the next without a moment of its own is to ask again. */
export interface RateState {
  readonly next: number;
  readonly spread: number;
}

export interface LimitTables {
  /** What people have said instead of the code; null: no limit. */
  said(kind: LimitAsk['kind'], name: string): number | null | undefined;
  held(key: string): number;
  isHeld(key: string, token: string): boolean;
  hold(key: string, token: string): void;
  drop(key: string, token: string): void;
  inLine(key: string, id: string): InLine | undefined;
  putInLine(waiter: InLine): void;
  leaveLine(key: string, id: string): void;
  /** How many are in line and were not told to come, up to {@link maxCounted}. */
  waiting(key: string): number;
  first(key: string): InLine | undefined;
  wokenSince(key: string, ms: number): number;
  /** Those who were told to come before then, and did not. */
  forgetWoken(key: string, ms: number): void;
  rate(key: string): RateState;
  setRate(key: string, state: RateState): void;
  promise(key: string, id: string): number | undefined;
  promised(key: string): number;
  setPromise(key: string, id: string, at: number): void;
  endPromise(key: string, id: string): void;
  forgetPromises(key: string, before: number): void;
}

/** Who has so many before it needs no exact number. */
export const maxCounted = 1000;
/** So many are told to come at a time. */
const maxWoken = 1000;

/** Gives all that is asked for, or a place in line. */
export function takeFrom(tables: LimitTables, request: TakeRequest, now: number): Grant {
  const asks = request.asks.map((ask) => ({ ...ask, limit: limitOf(tables, ask) }));
  for (const ask of asks) {
    if (ask.kind !== 'concurrency' || ask.limit === null || hasRoom(tables, request, ask, ask.limit, now))
      continue;
    return { granted: false, untilMs: lineUp(tables, request, ask.key, now) };
  }
  for (const ask of asks) {
    if (ask.kind !== 'rate' || ask.limit === null) continue;
    const at = momentOf(tables, request.id, ask, ask.limit, now);
    if (at > now) return { granted: false, untilMs: at };
  }
  for (const ask of asks) {
    if (ask.limit === null) continue;
    if (ask.kind === 'rate') tables.endPromise(ask.key, request.id);
    else {
      tables.leaveLine(ask.key, request.id);
      tables.hold(ask.key, request.token);
    }
  }
  return { granted: true };
}

/** Gives back; returns who may come now. */
export function releaseFrom(
  tables: LimitTables,
  token: string,
  asks: readonly LimitAsk[],
  now: number,
): readonly Waiter[] {
  const woken: Waiter[] = [];
  for (const ask of asks) {
    if (ask.kind !== 'concurrency') continue;
    tables.drop(ask.key, token);
    const limit = limitOf(tables, ask) ?? Number.POSITIVE_INFINITY;
    const room = limit - tables.held(ask.key) - tables.wokenSince(ask.key, now - reservedMs);
    woken.push(...wake(tables, ask.key, room, now));
  }
  return woken;
}

/** Tells so many who wait for this to come, the first first. */
export function wake(tables: LimitTables, key: string, most: number, now: number): readonly Waiter[] {
  const woken: Waiter[] = [];
  tables.forgetWoken(key, now - forgetMs);
  while (woken.length < Math.min(most, maxWoken)) {
    const first = tables.first(key);
    if (first === undefined) break;
    tables.putInLine({ ...first, woken: now });
    woken.push(first);
  }
  return woken;
}

function limitOf(tables: LimitTables, { kind, name, limit }: LimitAsk): number | null {
  const said = tables.said(kind, name);
  return said === undefined ? limit : said;
}

/** Who is new must leave room for those who were told to come. */
function hasRoom(
  tables: LimitTables,
  request: TakeRequest,
  { key }: Pick<LimitAsk, 'key'>,
  limit: number,
  now: number,
): boolean {
  if (tables.isHeld(key, request.token)) return true;
  const held = tables.held(key);
  if (held >= limit) return false;
  const own = tables.inLine(key, request.id);
  if (own !== undefined && own.woken > 0) return true;
  return held + tables.wokenSince(key, now - reservedMs) < limit;
}

function lineUp(tables: LimitTables, request: TakeRequest, key: string, now: number): number {
  const { id, queue, inLine, baseMs, perMs, capMs } = request;
  const before = inLine ? tables.waiting(key) : 0;
  const due = now + Math.ceil(Math.min(baseMs + perMs * before, capMs)) + Math.floor(Math.random() * 200);
  if (!inLine) return due;
  const since = tables.inLine(key, id)?.since ?? now;
  tables.putInLine({ key, id, queue, due, since, woken: 0 });
  return due;
}

/** When it may start: now, or a moment of its own, for which it comes back. */
function momentOf(
  tables: LimitTables,
  id: string,
  { key, burst }: Pick<LimitAsk, 'key' | 'burst'>,
  rate: number,
  now: number,
): number {
  const promised = tables.promise(key, id);
  if (promised !== undefined) return promised;
  const intervalMs = 1000 / rate;
  const { next, spread } = tables.rate(key);
  const earliest = Math.max(now, Math.ceil(next - (burst - 1) * intervalMs));
  if (earliest > now) {
    tables.forgetPromises(key, now - forgetMs);
    if (tables.promised(key) >= maxPromised) {
      const later = Math.max(spread, next, now) + intervalMs;
      tables.setRate(key, { next, spread: later });
      return Math.ceil(later);
    }
  }
  tables.setRate(key, { next: Math.max(next, now) + intervalMs, spread });
  if (earliest > now) tables.setPromise(key, id, earliest);
  return earliest;
}
