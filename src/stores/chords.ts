// The contract for counting chords: how a result backend knows that all members have ended, so that the body runs.

import type { ChordPart, ChordPlace } from '../protocol/chord-part.ts';
import type { StoreWrite } from './store-write.ts';

/**
 * The state of a chord after a member was added. `complete`: the caller sends the body, and stays the one who does until {@link Chords.done}:
 * a repeated call after a crash returns `complete` again. `done`: {@link Chords.done} was called before. That the body's id has a result does
 * not mean `done`, since an id may be chosen twice. When the size of a chord is forgotten, a late member does not complete it a second time
 * (`ChordPlace.last`).
 */
export type ChordState = 'open' | 'complete' | 'done';

/** How far a chord is. */
export interface ChordCount {
  /** Number of members of its header; null: not known yet. */
  readonly size: number | null;
  /** Number of members that running members have added. */
  readonly extra: number;
  /** Number of members whose end is counted. */
  readonly count: number;
  /** The member that completed it, while its body is not sent. */
  readonly closer: string | null;
  /** The body was sent, or has failed. All else is forgotten. */
  readonly done: boolean;
  /** As given to {@link Chords.resize}; null: its sender has given none (Python's do not). */
  readonly manifest: string | null;
  /** Ids of added members: all of them, or those that have not ended. */
  readonly added: readonly string[];
}

/**
 * Counts members by their ids: a member that is added again changes nothing. `done` deletes all data of a chord, except for a note, kept for a
 * while, that it is done. The data of a chord that never completes expires a while after its last member.
 */
export interface Chords {
  /**
   * Sets the number of members, before the last of them is sent. Until then the chord is not complete.
   * @param manifest what repairs need to know of the chord, kept while it is open; default: as it was
   */
  resize(groupId: string, size: number, manifest?: string): Promise<void>;
  /** A running member adds another member (`addToChord`). The same task counts once. */
  extend(groupId: string, taskId: string): Promise<void>;
  /**
   * Adds a member's end.
   * @throws BrokerUnavailable when the store refuses: it is safe to try again. NotSerializableError for the result
   */
  add(part: ChordPart, place: ChordPlace): Promise<ChordState>;
  /** The members' ends, in the order of the members. */
  parts(groupId: string): Promise<readonly ChordPart[]>;
  /** How far a chord is; null: no such chord is known. */
  look(groupId: string): Promise<ChordCount | null>;
  /** Takes back the end of a member that did not succeed, so that it counts again when it ends anew. False: there is none, or the chord is complete. */
  withdraw(groupId: string, taskId: string): Promise<boolean>;
  /**
   * Completes a chord with the members that have ended, as if the member `taskId` had completed it. True: the caller sends the body, or fails it, and
   * then calls {@link Chords.done}. False: another member has completed it, or it is done.
   */
  close(groupId: string, taskId: string): Promise<boolean>;
  /** The write for the end of a chord, with the record of its last member: made together with the settlement that sends the body. */
  writeOfDone(groupId: string, record?: StoreWrite): StoreWrite;
  /** The end of a chord by itself, after the body was sent. */
  done(groupId: string): Promise<void>;
}

/**
 * How long the note that a chord is done is kept, milliseconds: longer than a message takes to come back from a dead worker. A message that
 * comes still later was deferred, and expires.
 */
export const completedKeptMs: number = 3_600_000;
