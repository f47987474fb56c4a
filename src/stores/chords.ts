// The contract of gathering: what a result backend does so that a chord's body runs when all of its members have ended.

import type { ChordPart, ChordPlace } from '../protocol/chord-part.ts';
import type { StoreWrite } from './store-write.ts';

/**
 * What a part came to. `complete`: whoever added it is the one who sends the body, and stays it until {@link Chords.done}: it is
 * told so again if it asks again after a crash. `done`: {@link Chords.done} was there before. A
 * body whose id has a result already (it was chosen, and used before) is no sign of that; but a chord whose size nobody knows any more is
 * not ended a second time by a late part (`ChordPlace.last`).
 */
export type ChordState = 'open' | 'complete' | 'done';

/**
 * Counts members by who they are, never by how often they came: a part that is added again changes nothing. All that is kept
 * of a chord is gone with `done`, but for a note for a while that it was done; of one that never completes, a while after its last part.
 */
export interface Chords {
  /** Says how many members there are: before the last of them is sent. Until then no chord is complete. */
  resize(groupId: string, size: number): Promise<void>;
  /** A running member adds another one (`addToChord`). The same task counts once. */
  extend(groupId: string, taskId: string): Promise<void>;
  /**
   * Adds a part.
   * @throws BrokerUnavailable when the store refuses: trying again is safe. NotSerializableError for the result.
   */
  add(part: ChordPart, place: ChordPlace): Promise<ChordState>;
  /** The parts, in the order of their places. */
  parts(groupId: string): Promise<readonly ChordPart[]>;
  /** The end of a chord and the record of the member that ends it, to be written together with the settlement that sends its body. */
  writeOfDone(groupId: string, record?: StoreWrite): StoreWrite;
  /** The same alone, after the body was sent. */
  done(groupId: string): Promise<void>;
}

/**
 * How long it is noted that a chord is done, milliseconds: longer than a message takes to come back from a worker that died. What comes
 * later still is deferred, and expires.
 */
export const completedKeptMs: number = 3_600_000;
