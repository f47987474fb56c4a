// What planning takes and gives.
import type { Embed, Json, WireSignature } from '../protocol/message.ts';
import type { Stored } from './by-reference.ts';
import type { Handle } from './freeze.ts';

/** Where a workflow stands: what surrounds it, and who starts it. */
export interface PlanContext {
  /** Arguments to put before its own: the previous result, mostly. Its first parts get them, unless they are immutable. */
  readonly args?: readonly unknown[];
  readonly kwargs?: Json;
  /** The id of its result, if it has none of its own. */
  readonly id?: string;
  /** Default: the id of the first call. */
  readonly rootId?: string | null;
  readonly parentId?: string | null;
  /** The steps that follow it, reversed: Celery's `embed.chain`. */
  readonly chain?: readonly WireSignature[] | null;
  /** What is to be sent when it has succeeded, and when it has failed. */
  readonly callbacks?: readonly WireSignature[] | null;
  readonly errbacks?: readonly WireSignature[] | null;
  /** The group it is a member of. */
  readonly groupId?: string | null;
  readonly groupIndex?: number | null;
  /** The body of the chord that it is a part of. */
  readonly chord?: WireSignature | null;
  readonly replacedTaskNesting?: number;
  /** Stamps of the task that it takes the place of, or is added by: each of its parts has them, too. */
  readonly stamps?: Json;
  /**
   * Makes the id of a part that has none, from its place: `header.3.chain.0`. Two ways: a random one ({@link randomIds}) where a
   * workflow is first sent, and one derived from who sends ({@link derivedIds}) in a worker, so that what is sent twice is the same.
   */
  readonly newId: (place: string) => string;
  /** Above so many bytes what follows is stored and referred to; default 16 KiB; infinite: always carried along. */
  readonly inlineBytes?: number;
  /** It must end in one task: it stands for one. */
  readonly asOne?: boolean;
}

/** One message to be sent. */
export interface PlannedCall {
  readonly id: string;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Json;
  /** Celery's options (`queue`, `countdown`, `time_limit`, stamps …) but for those that are here by name. */
  readonly options: Json;
  readonly embed: Embed;
  readonly groupId: string | null;
  readonly groupIndex: number | null;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly replacedTaskNesting: number;
}

/** A chord whose members are sent: their number must be known before the last of them is. */
export interface PlannedChord {
  readonly groupId: string;
  readonly size: number;
}

/** All that starts a workflow. In this order: `stored` is kept, `chords` are sized, `calls` are sent. */
export interface Plan {
  readonly calls: readonly PlannedCall[];
  readonly chords: readonly PlannedChord[];
  /** Lists of signatures to be kept in the result backend before anything is sent; see `storedTask`. */
  readonly stored: readonly Stored[];
  /** Where the results will be. */
  readonly handle: Handle;
}
