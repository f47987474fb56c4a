// Shared limits in the process's memory: of all workers in it.

import { type InLine, type LimitTables, type RateState, releaseFrom, takeFrom, wake } from '../limit-book.ts';
import type { Grant, LimitAsk, Limits, LimitsOptions, TakeRequest, Waiter } from '../limits.ts';
import type { MemoryStore } from './memory.ts';

/** Opens the limits of that store. */
export function openMemoryLimits(store: MemoryStore, options: LimitsOptions): Limits {
  const tables = store.part('limits', () => new MemoryTables());
  return new MemoryLimits(tables, options);
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
    this.#tell(releaseFrom(this.#tables, token, asks, Date.now()));
  }

  lapse({ key, id }: Waiter): void {
    this.#tables.leaveLine(key, id);
    this.#tell(wake(this.#tables, key, 1, Date.now()));
  }

  async say(kind: LimitAsk['kind'], name: string, limit: number | null | undefined): Promise<void> {
    this.#tables.say(kind, name, limit);
  }

  async close(): Promise<void> {
    for (const [token, asks] of [...this.#held]) this.release(token, asks);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tell(waiters: readonly Waiter[]): void {
    if (waiters.length > 0) this.#options.onFree(waiters);
  }
}

/** What there is of one key. */
class Entry {
  readonly held = new Set<string>();
  /** Who was not told to come, in the order of their coming. */
  readonly waiting = new Map<string, InLine>();
  readonly woken = new Map<string, InLine>();
  readonly promises = new Map<string, number>();
  rate: RateState = { next: 0, spread: 0 };
}

class MemoryTables implements LimitTables {
  readonly #entries = new Map<string, Entry>();
  readonly #said = new Map<string, number | null>();

  say(kind: string, name: string, limit: number | null | undefined): void {
    if (limit === undefined) this.#said.delete(`${kind} ${name}`);
    else this.#said.set(`${kind} ${name}`, limit);
  }

  said(kind: string, name: string): number | null | undefined {
    return this.#said.get(`${kind} ${name}`);
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

  inLine(key: string, id: string): InLine | undefined {
    const { waiting, woken } = this.#of(key);
    return waiting.get(id) ?? woken.get(id);
  }

  putInLine(waiter: InLine): void {
    const { waiting, woken } = this.#of(waiter.key);
    const [to, from] = waiter.woken === 0 ? [waiting, woken] : [woken, waiting];
    from.delete(waiter.id);
    to.set(waiter.id, waiter);
  }

  leaveLine(key: string, id: string): void {
    const { waiting, woken } = this.#of(key);
    waiting.delete(id);
    woken.delete(id);
  }

  waiting(key: string): number {
    return this.#of(key).waiting.size;
  }

  first(key: string): InLine | undefined {
    const [first] = this.#of(key).waiting.values();
    return first;
  }

  wokenSince(key: string, ms: number): number {
    let count = 0;
    for (const { woken } of this.#of(key).woken.values()) if (woken > ms) count++;
    return count;
  }

  forgetWoken(key: string, ms: number): void {
    const { woken } = this.#of(key);
    for (const each of [...woken.values()]) if (each.woken < ms) woken.delete(each.id);
  }

  rate(key: string): RateState {
    return this.#of(key).rate;
  }

  setRate(key: string, state: RateState): void {
    this.#of(key).rate = state;
  }

  promise(key: string, id: string): number | undefined {
    return this.#of(key).promises.get(id);
  }

  promised(key: string): number {
    return this.#of(key).promises.size;
  }

  setPromise(key: string, id: string, at: number): void {
    this.#of(key).promises.set(id, at);
  }

  endPromise(key: string, id: string): void {
    this.#of(key).promises.delete(id);
  }

  forgetPromises(key: string, before: number): void {
    const { promises } = this.#of(key);
    for (const [id, at] of promises) {
      if (at >= before) return; // in the order of their moments
      promises.delete(id);
    }
  }

  #of(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry();
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** A tenant that has gone costs no memory. */
  #clear(key: string): void {
    const { held, waiting, woken, promises, rate } = this.#of(key);
    if (held.size + waiting.size + woken.size + promises.size === 0 && rate.next < Date.now())
      this.#entries.delete(key);
  }
}
