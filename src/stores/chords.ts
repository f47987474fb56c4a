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

/**
 * Counts members by their ids: a member that is added again changes nothing. `done` deletes all data of a chord, except for a note, kept for a
 * while, that it is done. The data of a chord that never completes expires a while after its last member.
 */
export interface Chords {
  /** Sets the number of members, before the last of them is sent. Until then the chord is not complete. */
  resize(groupId: string, size: number): Promise<void>;
  /** A running member adds another member (`addToChord`). The same task counts once. */
  extend(groupId: string, taskId: string): Promise<void>;
  /**
   * Adds a member's end.
   * @throws BrokerUnavailable when the store refuses: it is safe to try again. NotSerializableError for the result
   */
  add(part: ChordPart, place: ChordPlace): Promise<ChordState>;
  /** The members' ends, in the order of the members. */
  parts(groupId: string): Promise<readonly ChordPart[]>;
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
