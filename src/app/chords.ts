// Chords that wait for members, and their repair.
import type { SendOptions } from '../config/call-options.ts';
import type { App } from './app.ts';

/** A member of a chord, as far as it is known. */
export interface ChordMember {
  /** The id of its task. */
  readonly id: string;
  /** Its place among the results, from 0; null: unknown, or after all others. */
  readonly index: number | null;
  /** Its end is counted. */
  readonly counted: boolean;
  /** SUCCESS, FAILURE … of a counted end; else the state in the results or the history, PENDING if neither knows it. */
  readonly state: string;
  /** Name of the task; null: the history does not know it. */
  readonly task: string | null;
  /** Why it is not counted, for people; '' if it is. */
  readonly reason: string;
}

/** A chord at this moment. */
export interface ChordStatus {
  /** Id of the header: the group. */
  readonly id: string;
  /** Id of the body's result; null: unknown. */
  readonly bodyId: string | null;
  /** Name of the body's task; null: unknown, or a workflow. */
  readonly bodyTask: string | null;
  /** `complete`: all members have ended, and whoever completed it is to send the body. `done`: the body was sent, or has failed. */
  readonly state: 'open' | 'complete' | 'done';
  /** Number of members, with those that members have added; null: unknown, since its sender has not sent all. */
  readonly total: number | null;
  /** How many members have ended and are counted. */
  readonly counted: number;
  /** Members that are known by their ids, in the order of the results. Empty when it is done. */
  readonly members: readonly ChordMember[];
  /** How many members are missing whose ids are not known. */
  readonly unknown: number;
}

/** What is different when a member runs again. Default of `queue` and `priority`: as before. */
export interface RetryMemberChanges extends Pick<SendOptions, 'queue' | 'priority' | 'kwargs'> {
  /** Other positional arguments for the new run. */
  readonly args?: readonly unknown[];
}

/**
 * Chords whose members have not all ended. `id` is the id of the header (the group) or, where a recorder writes the history, of the body or of a member.
 * Actions may be repeated: a member counts once, whoever ends it first, and the body is sent once. If a process dies within an action, repeat it. Every
 * method throws ConfigError where results are kept in a store that counts no chords (RabbitMQ), and BrokerUnavailable; actions also throw
 * ChordRepairError.
 */
export class OpenChords {
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  /** Undefined: no such chord is known: it never was, or has ended more than an hour ago, or has expired. */
  async get(id: string): Promise<ChordStatus | undefined> {
    const { findChord, statusOf } = await import('./chord-status.ts');
    const chord = await findChord(this.#app, id);
    return chord === null ? undefined : statusOf(this.#app, chord);
  }

  /**
   * Runs a member again that has not succeeded, with its own id, so that its end counts. Its message comes from the dead letters, or is made anew from the
   * history; then its callbacks do not follow it. If it has succeeded and only its end was not counted, that is done.
   * @throws TaskNotRetriableError if its arguments are not known whole, and what `app.send` throws
   * @example await app.chords.retry(groupId, memberId);
   */
  async retry(id: string, memberId: string, changes: RetryMemberChanges = {}): Promise<ChordStatus> {
    return (await work()).retryMember(this.#app, id, memberId, changes);
  }

  /**
   * Ends a member that has not succeeded with this value, as if it had returned it. If it is the last, the body is sent.
   * @throws NotSerializableError
   */
  async give(id: string, memberId: string, value: unknown): Promise<ChordStatus> {
    return (await work()).giveValue(this.#app, id, memberId, value);
  }

  /**
   * Sends the body without waiting any longer. Members that have not succeeded are left out of its list, or have `missing.value` in their places. (With
   * `allSettled` failed members stay in the list.) A body that was not sent since its sender died is sent.
   * @example await app.chords.fire(groupId, { value: 0 });
   */
  async fire(id: string, missing: { readonly value?: unknown } = {}): Promise<ChordStatus> {
    return (await work()).fireBody(this.#app, id, missing);
  }

  /** Revokes the members that have not ended, and ends the body as FAILURE (ChordError), with its error callbacks. */
  async cancel(id: string): Promise<ChordStatus> {
    return (await work()).cancelChord(this.#app, id);
  }
}

// Loaded when it is first used: a program that only sends tasks does without.
function work(): Promise<typeof import('./chord-repair.ts')> {
  return import('./chord-repair.ts');
}
