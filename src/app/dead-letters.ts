// The dead letters of an application's broker: listed, replayed, discarded.

import type { Rate } from '../config/rate.ts';
import type { Options } from '../lib/schema.ts';
import type { StoredDeadLetter as StoredLetter } from '../stores/transport.ts';
import type { App } from './app.ts';
import type { filterOptions } from './dead-letter-filter.ts';
import { checkLimit } from './list-limit.ts';

/** A message that could not be run: the reason, its call if it can be read, and its original bytes. */
export interface DeadLetter extends StoredLetter {
  /** Null where the bytes are no task. */
  readonly call: DeadCall | null;
}

/** The call that a dead letter carries. */
export interface DeadCall {
  /** The task's id. */
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  /** The positional arguments. */
  readonly args: readonly unknown[];
  /** The keyword arguments. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** The arguments as text, as the sender wrote them. */
  readonly argsrepr: string;
  /** The keyword arguments as text, as the sender wrote them. */
  readonly kwargsrepr: string;
  /** How many retries there were: 0 on the first run. */
  readonly retries: number;
  /** Before this time it is not run; null: at once. */
  readonly eta: Date | null;
  /** After this time it does not start; null: it does not expire. */
  readonly expires: Date | null;
  /** Node name of its sender. */
  readonly origin: string | null;
}

/** Matches dead letters to which all of this applies. */
export interface DeadLetterFilter extends Options<typeof filterOptions> {}

/** Which dead letters to list, and how many. */
export interface ListDeadLetters extends DeadLetterFilter {
  /** At most this many; default: all. */
  readonly limit?: number;
  /** Only dead letters that are older than this id. */
  readonly before?: number;
}

/** The pace of replaying or discarding many dead letters. */
export interface DeadLetterPace {
  /** Only the oldest ones, at most this many; default: all. */
  readonly limit?: number;
  /** At most this many in a second (a number), or `'10/s'`, `'100/m'`; default: as fast as the broker takes them. */
  readonly rate?: Rate;
  /** Stops between two dead letters. Those that are done stay done, the others are left as they were. */
  readonly signal?: AbortSignal;
  /** Called after each step with the number of those that are done, and of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The ids of the dead letters that were changed, oldest first. */
export interface DeadLettersChanged {
  /** Those that were replayed, or discarded. */
  readonly done: readonly number[];
  /** Ids that were named, or found, and were not there any more. */
  readonly missing: readonly number[];
}

/** The dead letter with this id, those with these ids, or those that a filter matches (`{}`: all). */
export type DeadLetterChoice = number | readonly number[] | DeadLetterFilter;

/**
 * Dead letters: messages that could not be run, kept until somebody replays or discards them. Each method opens the broker if it is not
 * open. It throws BrokerUnavailable when the broker cannot be reached, ConfigError for a value that a filter cannot have, and
 * UnknownOptionError for a field that a filter does not have.
 */
export class DeadLetters {
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Newest first. */
  async *list(filter: ListDeadLetters = {}): AsyncGenerator<DeadLetter, void, undefined> {
    const { list } = await work();
    yield* list(await this.#letters(), filter);
  }

  /** Undefined: there is no dead letter with this id. */
  async get(id: number): Promise<DeadLetter | undefined> {
    const letter = await (await this.#letters()).get(id);
    return letter && (await import('./dead-letter-filter.ts')).opened(letter);
  }

  /** How many dead letters there are. */
  async count(): Promise<number> {
    return (await this.#letters()).count();
  }

  /** The ids of the dead letters that a filter matches, oldest first: those that `replay` and `discard` would change. */
  async find(filter: DeadLetterFilter): Promise<readonly number[]> {
    const { find } = await work();
    return find(await this.#letters(), filter);
  }

  /**
   * Puts dead letters back into their queues, oldest first. Each is new again: its retries and deliveries are counted from 0. A message
   * that becomes a dead letter meanwhile is left alone. Each is in its queue before it is deleted here: a process that dies in between
   * leaves it twice (on RabbitMQ) rather than not at all.
   * @throws the signal's reason; NotReplayableError for those that another program has put there, after the others were replayed
   */
  replay(which: DeadLetterChoice, pace: DeadLetterPace = {}): Promise<DeadLettersChanged> {
    return this.#change('replay', which, pace);
  }

  /**
   * Deletes them for good.
   * @throws the signal's reason
   */
  discard(which: DeadLetterChoice, pace: DeadLetterPace = {}): Promise<DeadLettersChanged> {
    return this.#change('discard', which, pace);
  }

  async #change(
    verb: 'replay' | 'discard',
    which: DeadLetterChoice,
    pace: DeadLetterPace,
  ): Promise<DeadLettersChanged> {
    const { change } = await work();
    checkLimit(pace.limit ?? Number.POSITIVE_INFINITY, verb);
    const target = await targetOf(which);
    await this.#app.audit.record(`dead-letter.${verb}`, target);
    return change(await this.#letters(), verb, which, pace);
  }

  async #letters(): Promise<import('../stores/transport.ts').DeadLetterStore> {
    return (await this.#app.broker()).deadLetters;
  }
}

/** Dead letters for people. @throws ConfigError, UnknownOptionError for a wrong filter, before anything is written */
async function targetOf(which: DeadLetterChoice): Promise<string> {
  if (typeof which === 'number' || Array.isArray(which)) return [which].flat().join(' ');
  (await import('./dead-letter-filter.ts')).matcherOf(which as DeadLetterFilter); // it is no number and no list
  const parts = Object.entries(which).map(
    ([name, value]) => `${name}: ${value instanceof Date ? value.toISOString() : String(value)}`,
  );
  return parts.length === 0 ? 'all' : parts.join(', ');
}

// Loaded when it is first used: a program that only sends tasks does without.
function work(): Promise<typeof import('./dead-letter-work.ts')> {
  return import('./dead-letter-work.ts');
}
