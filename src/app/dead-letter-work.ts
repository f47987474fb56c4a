// Listing, replaying and discarding dead letters. There may be very many, and changing them may be slowed down.

import { parseRate } from '../config/rate.ts';
import { NotReplayableError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import type { DeadLetterStore } from '../stores/transport.ts';
import { matcherOf, opened } from './dead-letter-filter.ts';
import type {
  DeadLetter,
  DeadLetterChoice,
  DeadLetterFilter,
  DeadLetterPace,
  DeadLettersChanged,
  ListDeadLetters,
} from './dead-letters.ts';
import { checkLimit } from './list-limit.ts';

/** Newest first. */
export async function* list(
  letters: DeadLetterStore,
  { limit = Number.POSITIVE_INFINITY, before, ...filter }: ListDeadLetters,
): AsyncGenerator<DeadLetter, void, undefined> {
  checkLimit(limit, 'a list of dead letters');
  const isMeant = matcherOf(filter);
  let from = before;
  for (let left = limit; left > 0; ) {
    const size = Math.min(left, pageSize);
    const page = await newest(letters, filter.queue, isMeant, from, size);
    yield* page;
    if (page.length < size) return;
    left -= page.length;
    from = page.at(-1)?.id;
  }
}

/** The ids of the dead letters that a filter matches, oldest first. */
export async function find(letters: DeadLetterStore, filter: DeadLetterFilter): Promise<readonly number[]> {
  const isMeant = matcherOf(filter);
  const ids: number[] = [];
  if (letters.sweep) {
    await letters.sweep((id, read) => {
      if (isMeant(opened(read()))) ids.push(id);
      return 'keep';
    });
    return ids;
  }
  for await (const letter of list(letters, filter)) ids.push(letter.id);
  return ids.reverse();
}

/** See `DeadLetters.replay` of the application. */
export async function change(
  letters: DeadLetterStore,
  verb: 'replay' | 'discard',
  which: DeadLetterChoice,
  { limit = Number.POSITIVE_INFINITY, rate = 0, signal, onProgress }: DeadLetterPace,
): Promise<DeadLettersChanged> {
  const pace = new Pace(parseRate(rate, 'the rate'), signal);
  const named = typeof which === 'number' ? [which] : Array.isArray(which) ? [...new Set(which)] : null;
  const found = named ?? (await find(letters, which as DeadLetterFilter)); // it is no number and no list
  const ids = found.slice(0, limit);
  const done: number[] = [];
  const act: Act = (id) => {
    done.push(id);
    onProgress?.(done.length, ids.length);
  };
  signal?.throwIfAborted();
  if (letters.sweep && (named === null || ids.length > 1)) {
    await sweepThrough(letters.sweep.bind(letters), verb, new Set(ids), pace, act);
  } else {
    await oneByOne(letters, verb, ids, pace, act);
  }
  const isDone = new Set(done);
  return { done, missing: ids.filter((id) => !isDone.has(id)) };
}

const pageSize = 100;
/** How many changes are asked for together where no rate is given: a store writes them as one. */
const windowSize = 50;
/** How long a sweep hides the dead letters that it has read from other sweeps, milliseconds. */
const longestHoldMs = 10_000;

type Act = (id: number) => void;

async function newest(
  letters: DeadLetterStore,
  queue: string | undefined,
  isMeant: (letter: DeadLetter) => boolean,
  from: number | undefined,
  limit: number,
): Promise<readonly DeadLetter[]> {
  const page: DeadLetter[] = [];
  if (letters.sweep) {
    await letters.sweep((id, read) => {
      if (from !== undefined && id >= from) return 'keep';
      const letter = opened(read());
      if (isMeant(letter)) page.push(letter);
      if (page.length > limit) page.shift();
      return 'keep';
    });
    return page.reverse();
  }
  for (let before = from; ; ) {
    const given = await letters.list({
      limit: pageSize,
      ...(before === undefined ? {} : { before }),
      ...(queue === undefined ? {} : { queue }),
    });
    for (const stored of given) {
      const letter = opened(stored);
      if (isMeant(letter)) page.push(letter);
      if (page.length === limit) return page;
    }
    if (given.length < pageSize) return page;
    before = given.at(-1)?.id;
  }
}

async function oneByOne(
  letters: DeadLetterStore,
  verb: 'replay' | 'discard',
  ids: readonly number[],
  pace: Pace,
  act: Act,
): Promise<void> {
  const size = pace.isFree ? windowSize : 1;
  for (let at = 0; at < ids.length; at += size) {
    await pace.turn();
    const outcomes = await Promise.allSettled(
      ids.slice(at, at + size).map(async (id) => {
        if (await letters[verb](id)) act(id);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

async function sweepThrough(
  sweep: NonNullable<DeadLetterStore['sweep']>,
  verb: 'replay' | 'discard',
  rest: Set<number>,
  pace: Pace,
  act: Act,
): Promise<void> {
  const foreign: number[] = [];
  while (rest.size > 0) {
    await pace.turn(); // waits before anything is held
    const until = performance.now() + longestHoldMs;
    let acted = 0;
    let last: number | null = null;
    const confirm = (): void => {
      if (last !== null && rest.delete(last)) act(last);
    };
    await sweep(async (id, read) => {
      confirm(); // a sweep asks for the next one only when the last one is done
      last = null;
      if (!rest.has(id)) return 'keep';
      if (verb === 'replay' && read().queue === '') {
        foreign.push(id); // the others are replayed all the same
        rest.delete(id);
        return 'keep';
      }
      if (acted++ > 0) {
        if (performance.now() + pace.waitMs > until) return 'stop';
        await pace.turn();
      }
      last = id;
      return verb;
    });
    confirm();
    if (acted === 0) break; // the remaining ids are not there
  }
  if (foreign.length > 0) throw new NotReplayableError(foreign);
}

/** Lets `perSecond` turns pass in a second. Time that a slow store has cost is caught up for a moment only: no floods. */
class Pace {
  readonly #intervalMs: number;
  readonly #signal: AbortSignal | undefined;
  #next: number = performance.now();

  constructor(perSecond: number | null, signal: AbortSignal | undefined) {
    this.#intervalMs = perSecond === null ? 0 : 1000 / perSecond;
    this.#signal = signal;
  }

  get isFree(): boolean {
    return this.#intervalMs === 0;
  }

  /** Milliseconds until the next turn. */
  get waitMs(): number {
    return Math.max(0, this.#next - performance.now());
  }

  /** @throws the signal's reason */
  async turn(): Promise<void> {
    this.#signal?.throwIfAborted();
    if (this.isFree) return;
    if (this.waitMs > 0) await systemClock.sleep(this.waitMs, this.#signal);
    this.#next = Math.max(this.#next, performance.now() - 100) + this.#intervalMs;
  }
}
