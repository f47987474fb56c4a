// The input and the result of planning.
import type { Embed, Json, WireSignature } from '../protocol/message.ts';
import type { Stored } from './by-reference.ts';
import type { ChordManifest } from './chord-manifest.ts';
import type { Handle } from './freeze.ts';

/** The surroundings of a workflow, and its sender. */
export interface PlanContext {
  /** Arguments before its own, mostly the previous result. Its first parts get them, unless they are immutable. */
  readonly args?: readonly unknown[];
  readonly kwargs?: Json;
  /** The id of its result, if it has none. */
  readonly id?: string;
  /** Default: the id of the first call. */
  readonly rootId?: string | null;
  readonly parentId?: string | null;
  /** The steps that follow it, reversed: Celery's `embed.chain`. */
  readonly chain?: readonly WireSignature[] | null;
  /** Its callbacks and errbacks. */
  readonly callbacks?: readonly WireSignature[] | null;
  readonly errbacks?: readonly WireSignature[] | null;
  /** The group that it is a member of. */
  readonly groupId?: string | null;
  readonly groupIndex?: number | null;
  /** The body of the chord that it is a member of. */
  readonly chord?: WireSignature | null;
  readonly replacedTaskNesting?: number;
  /** The stamps of the task that it replaces, or that adds it: each of its parts gets them, too. */
  readonly stamps?: Json;
  /**
   * Makes the id of a part that has none, from its place: `header.3.chain.0`. A random id ({@link randomIds}) where a workflow is sent for
   * the first time; an id derived from the sender ({@link derivedIds}) in a worker, so that a repeated message is the same.
   */
  readonly newId: (place: string) => string;
  /** Bytes; follow-ups that are larger are stored and referred to. Default 16 KiB; infinite: they are always carried along. */
  readonly inlineBytes?: number;
  /** It must end in one task, since it replaces one. */
  readonly asOne?: boolean;
}

/** A message to be sent. */
export interface PlannedCall {
  readonly id: string;
  readonly task: string;
  readonly args: readonly unknown[];
  readonly kwargs: Json;
  /** Celery's options (`queue`, `countdown`, `time_limit`, stamps …), except those that are fields here. */
  readonly options: Json;
  readonly embed: Embed;
  readonly groupId: string | null;
  readonly groupIndex: number | null;
  readonly rootId: string;
  readonly parentId: string | null;
  readonly replacedTaskNesting: number;
}

/** A chord whose members are sent: its size must be stored before the last member is sent. */
export interface PlannedChord extends ChordManifest {
  readonly groupId: string;
  readonly size: number;
}

/** All that starts a workflow. In this order: `stored` is kept, the sizes of `chords` are stored, `calls` are sent. */
export interface Plan {
  readonly calls: readonly PlannedCall[];
  readonly chords: readonly PlannedChord[];
  /** Lists of signatures that the result backend keeps before anything is sent; see `storedTask`. */
  readonly stored: readonly Stored[];
  /** The ids of the results. */
  readonly handle: Handle;
}
