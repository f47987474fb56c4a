// Shared limits in the process's memory, for all its workers.

import {
  type LimiterStore,
  notifyWaiters,
  type QueuedWaiter,
  type RateState,
  releaseFrom,
  takeFrom,
} from '../limit-rules.ts';
import {
  forgetMs,
  type Grant,
  holderOf,
  type LimitAsk,
  type LimitReading,
  type LimitReport,
  type Limits,
  type LimitsOptions,
  type LimitUse,
  overrideOf,
  type TakeRequest,
  type WaitingMessage,
} from '../limits.ts';
import type { MemoryStore } from './memory.ts';

/** Opens the limits of a store. */
export function openMemoryLimits(store: MemoryStore, options: LimitsOptions): Limits {
  const tables = store.part('limits', () => new MemoryTables());
  return new MemoryLimits(tables, options);
}

/** The limits of a store. */
export function readMemoryLimits(store: MemoryStore, reading: LimitReading): LimitReport {
  return store.part('limits', () => new MemoryTables()).report(reading, Date.now());
}

class MemoryLimits implements Limits {
  readonly #tables: MemoryTables;
  readonly #options: LimitsOptions;
  readonly #held = new Map<string, readonly LimitAsk[]>();

  constructor(tables: MemoryTables, options: LimitsOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  async take(request: TakeRequest): Promise<Grant> {
    const grant = takeFrom(this.#tables, request, Date.now());
    if (grant.granted) this.#held.set(request.token, request.asks);
    return grant;
  }

  release(token: string, asks: readonly LimitAsk[]): void {
    this.#held.delete(token);
    this.#reportFree(releaseFrom(this.#tables, token, asks, Date.now()));
  }

  cancelWait({ key, id }: WaitingMessage): void {
    this.#tables.removeWaiter(key, id);
    this.#reportFree(notifyWaiters(this.#tables, key, 1, Date.now()));
  }

  async override(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void> {
    this.#tables.setOverride(kind, name, limit);
  }

  async close(): Promise<void> {
    for (const [token, asks] of [...this.#held]) this.release(token, asks);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #reportFree(waiters: readonly WaitingMessage[]): void {
    if (waiters.length > 0) this.#options.onFree(waiters);
  }
}

/** The state of one key. */
class Entry {
  readonly held = new Set<string>();
  /** Messages that were not notified, in the order of arrival. */
  readonly waiting = new Map<string, QueuedWaiter>();
  readonly notified = new Map<string, QueuedWaiter>();
  readonly reservations = new Map<string, number>();
  rate: RateState = { next: 0, spread: 0 };
}

class MemoryTables implements LimiterStore {
  readonly #entries = new Map<string, Entry>();
  readonly #overrides = new Map<string, number | null>();

  setOverride(kind: string, name: string, limit: number | null | undefined): void {
    if (limit === undefined) this.#overrides.delete(`${kind} ${name}`);
    else this.#overrides.set(`${kind} ${name}`, limit);
  }

  override(kind: string, name: string): number | null | undefined {
    return this.#overrides.get(`${kind} ${name}`);
  }

  held(key: string): number {
    return this.#of(key).held.size;
  }

  isHeld(key: string, token: string): boolean {
    return this.#of(key).held.has(token);
  }

  hold(key: string, token: string): void {
    this.#of(key).held.add(token);
  }

  drop(key: string, token: string): void {
    this.#of(key).held.delete(token);
    this.#clear(key);
  }

  waiter(key: string, id: string): QueuedWaiter | undefined {
    const { waiting, notified } = this.#of(key);
    return waiting.get(id) ?? notified.get(id);
  }

  putWaiter(waiter: QueuedWaiter): void {
    const { waiting, notified } = this.#of(waiter.key);
    const [to, from] = waiter.notified === 0 ? [waiting, notified] : [notified, waiting];
    from.delete(waiter.id);
    to.set(waiter.id, waiter);
  }

  removeWaiter(key: string, id: string): void {
    const { waiting, notified } = this.#of(key);
    waiting.delete(id);
    notified.delete(id);
  }

  waiting(key: string): number {
    return this.#of(key).waiting.size;
  }

  first(key: string): QueuedWaiter | undefined {
    const [first] = this.#of(key).waiting.values();
    return first;
  }

  notifiedSince(key: string, ms: number): number {
    let count = 0;
    for (const { notified } of this.#of(key).notified.values()) if (notified > ms) count++;
    return count;
  }

  forgetNotified(key: string, ms: number): void {
    const { notified } = this.#of(key);
    for (const each of [...notified.values()]) if (each.notified < ms) notified.delete(each.id);
  }

  rate(key: string): RateState {
    return this.#of(key).rate;
  }

  setRate(key: string, state: RateState): void {
    this.#of(key).rate = state;
  }

  reservation(key: string, id: string): number | undefined {
    return this.#of(key).reservations.get(id);
  }

  reservations(key: string): number {
    return this.#of(key).reservations.size;
  }

  reserve(key: string, id: string, at: number): void {
    this.#of(key).reservations.set(id, at);
  }

  endReservation(key: string, id: string): void {
    this.#of(key).reservations.delete(id);
  }

  forgetReservations(key: string, before: number): void {
    const { reservations } = this.#of(key);
    for (const [id, at] of reservations) {
      if (at >= before) return; // reservations are in the order of their times
      reservations.delete(id);
    }
  }

  report({ counters, each }: LimitReading, now: number): LimitReport {
    const uses = [...this.#entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => useOf(key, entry, each, now))
      .filter(({ inUse, waiting, rate }) => inUse + waiting > 0 || rate !== null);
    const overrides = [...this.#overrides].map(([text, limit]) => ({ ...overrideOf(text), limit }));
    return { uses: uses.slice(0, counters), more: uses.length > counters, overrides };
  }

  #of(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry();
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Deletes the state of a key that is not in use any more. */
  #clear(key: string): void {
    const { held, waiting, notified, reservations, rate } = this.#of(key);
    if (held.size + waiting.size + notified.size + reservations.size === 0 && rate.next < Date.now())
      this.#entries.delete(key);
  }
}

function useOf(
  key: string,
  { held, waiting, notified, reservations, rate }: Entry,
  each: number,
  now: number,
): LimitUse {
  const waiters = [...notified.values(), ...waiting.values()];
  return {
    key,
    inUse: held.size,
    holders: [...held].slice(0, each).map(holderOf),
    waiting: waiters.length,
    waiters: waiters.slice(0, each).map(({ id, queue, since }) => ({ id, queue, sinceMs: since })),
    rate: rate.next > now - forgetMs ? { nextMs: rate.next, reserved: reservations.size } : null,
  };
}
