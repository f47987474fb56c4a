// The dead letters of an application's broker: found, put back, deleted.

import type { Rate } from '../config/rate.ts';
import type { Options } from '../lib/schema.ts';
import type { StoredDeadLetter as StoredLetter } from '../stores/transport.ts';
import type { App } from './app.ts';
import type { filterOptions } from './dead-letter-filter.ts';

/** A message that could not be run: why, what it says as far as that can be read, and its original bytes. */
export interface DeadLetter extends StoredLetter {
  /** Null where the bytes are no task. */
  readonly call: DeadCall | null;
}

/** The call that a dead letter carries. */
export interface DeadCall {
  /** The task's id. */
  readonly id: string;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** The arguments for people, as its sender showed them. */
  readonly argsrepr: string;
  readonly kwargsrepr: string;
  readonly retries: number;
  readonly eta: Date | null;
  readonly expires: Date | null;
  /** Node name of its sender. */
  readonly origin: string | null;
}

/** Which dead letters: those to which all of this applies. */
export interface DeadLetterFilter extends Options<typeof filterOptions> {}

export interface ListDeadLetters extends DeadLetterFilter {
  /** At most so many; default: all. */
  readonly limit?: number;
  /** Only those that are older than this one. */
  readonly before?: number;
}

/** How a great many are replayed or discarded. */
export interface DeadLetterPace {
  /** The oldest so many at most; default: all. */
  readonly limit?: number;
  /** At most so many in a second, or `'10/s'`, `'100/m'`; default: as fast as the broker takes them. */
  readonly rate?: Rate;
  /** Stops between two of them. What is done is done, the rest is where it was. */
  readonly signal?: AbortSignal;
  /** Told after each step how many are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was done. Oldest first. */
export interface DeadLettersChanged {
  readonly done: readonly number[];
  /** Were named, or found, and were not there any more. */
  readonly missing: readonly number[];
}

/** The one of this id, those of these ids, or those that a filter finds (`{}`: all). */
export type DeadLetterChoice = number | readonly number[] | DeadLetterFilter;

/**
 * Dead letters: messages that could not be run, kept until somebody replays or discards them. Every method opens the broker if it is not
 * open, and throws BrokerUnavailable when it is not there, ConfigError for a filter that cannot be meant, UnknownOptionError for a word
 * that is none of a filter's.
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

  /** Undefined: there is none of this id. */
  async get(id: number): Promise<DeadLetter | undefined> {
    const letter = await (await this.#letters()).get(id);
    return letter && (await import('./dead-letter-filter.ts')).opened(letter);
  }

  async count(): Promise<number> {
    return (await this.#letters()).count();
  }

  /** The ids of those that a filter finds, oldest first: what `replay` and `discard` would be about. */
  async find(filter: DeadLetterFilter): Promise<readonly number[]> {
    const { find } = await work();
    return find(await this.#letters(), filter);
  }

  /**
   * Puts them back into their queues, oldest first, each with a clean record: it may fail or be delivered as often as a new one. What dies
   * again meanwhile, or dies only now, is left alone. Each is in its queue before it is no dead letter any more: a process that dies in
   * between leaves it twice (on RabbitMQ) rather than not at all.
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
    return change(await this.#letters(), verb, which, pace);
  }

  async #letters(): Promise<import('../stores/transport.ts').DeadLetterStore> {
    return (await this.#app.broker()).deadLetters;
  }
}

// Loaded when somebody asks: a program that only sends tasks does without.
function work(): Promise<typeof import('./dead-letter-work.ts')> {
  return import('./dead-letter-work.ts');
}
