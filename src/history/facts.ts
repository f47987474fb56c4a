// The facts that are known of a task. Two partial sets merge into one, in any order and any number of times.

/** A moment of a task's life: what one event reports. Fields that the event does not have are left out. */
export interface Mark {
  readonly kind: MarkKind;
  /** Milliseconds since 1970, by the clock of the event's sender. */
  readonly at: number;
  /** Logical (Lamport) time of the event's sender. */
  readonly clock: number;
  /** Node name of the event's sender: the client for `sent`, else the worker. */
  readonly node: string;
  readonly queue?: string;
  readonly routingKey?: string;
  readonly priority?: number;
  /** Number of the task's run, from 1. Retries and crashes count. */
  readonly attempt?: number;
  /** Index in the group, from 0. */
  readonly groupIndex?: number;
  /** How many tasks follow it in its chain. */
  readonly chainLeft?: number;
  /** How many times the task had been retried before. */
  readonly retries?: number;
  /** Milliseconds since 1970. */
  readonly eta?: number;
  /** Milliseconds since 1970. */
  readonly expires?: number;
  readonly runtimeMs?: number;
  /** Python's repr. */
  readonly result?: string;
  /** Python's repr. */
  readonly exception?: string;
  readonly traceback?: string;
  /** The id of the task that it repeats. */
  readonly retryOf?: string;
  /** The id of the task that repeats it. */
  readonly retriedAs?: string;
  /** The progress that the task reported, as JSON text. */
  readonly progress?: string;
  /** Level of a log line: `info`, `warn` … */
  readonly level?: string;
  /** Text of a log line. */
  readonly message?: string;
}

/** In the order in which marks of the same time are sorted. */
const markKinds = [
  'sent',
  'received',
  'started',
  'progress',
  'log',
  'retried',
  'rejected',
  'revoked',
  'failed',
  'succeeded',
  'resent',
] as const;

export type MarkKind = (typeof markKinds)[number];

/** What never changes in a task's life; null: no event has said it. */
export interface Description {
  readonly name: string | null;
  /** Python's repr of the positional arguments. */
  readonly argsRepr: string | null;
  readonly kwargsRepr: string | null;
  /** The positional arguments as JSON text. */
  readonly args: string | null;
  /** The keyword arguments as JSON text. */
  readonly kwargs: string | null;
  readonly parentId: string | null;
  readonly rootId: string | null;
  readonly groupId: string | null;
  /** Id of the chord's body that waits for it. */
  readonly chordId: string | null;
  /** Its stamps as JSON text: `{"customer":["7"]}`. */
  readonly stamps: string | null;
}

/** What is known of a task: the sum of its events, in any order. */
export interface TaskFacts extends Description {
  /** The task's id. */
  readonly id: string;
  /** Sorted; no two marks are of the same moment. */
  readonly marks: readonly Mark[];
}

export const unknown: Description = {
  name: null,
  argsRepr: null,
  kwargsRepr: null,
  args: null,
  kwargs: null,
  parentId: null,
  rootId: null,
  groupId: null,
  chordId: null,
  stamps: null,
};

/** How many of its first and of its last marks are kept of a task with more. */
const firstKept = 16;
const lastKept = 48;
/** How many of its last progress marks, and of its last log lines, are kept. */
const progressKept = 16;
const linesKept = 50;

/**
 * The union of two sets of facts of one task. The merge is commutative, associative and idempotent: a repeated event or a second recorder
 * changes nothing.
 */
export function mergeFacts(a: TaskFacts, b: TaskFacts): TaskFacts {
  return {
    id: a.id,
    name: fuller(a.name, b.name),
    argsRepr: fuller(a.argsRepr, b.argsRepr),
    kwargsRepr: fuller(a.kwargsRepr, b.kwargsRepr),
    args: fuller(a.args, b.args),
    kwargs: fuller(a.kwargs, b.kwargs),
    parentId: fuller(a.parentId, b.parentId),
    rootId: fuller(a.rootId, b.rootId),
    groupId: fuller(a.groupId, b.groupId),
    chordId: fuller(a.chordId, b.chordId),
    stamps: fuller(a.stamps, b.stamps),
    marks: mergeMarks(a.marks, b.marks),
  };
}

/** Programs cut the same text at different lengths: the longer text wins. Of two texts of one length, the same one wins in either order. */
function fuller(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  if (a.length !== b.length) return a.length > b.length ? a : b;
  return a >= b ? a : b;
}

/** Merges two sorted lists. */
function mergeMarks(a: readonly Mark[], b: readonly Mark[]): readonly Mark[] {
  const merged: Mark[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [left, right] = [a[i], b[j]];
    if (left === undefined || right === undefined) {
      merged.push(...a.slice(i), ...b.slice(j));
      break;
    }
    const order = compareMarks(left, right);
    merged.push(order === 0 ? fullerMark(left, right) : order < 0 ? left : right);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  return kept(merged);
}

/**
 * Drops marks by their rank from both ends. In a part, a mark is never farther from an end than in the whole, so no part drops a mark that the
 * whole keeps: every order of merging keeps the same marks.
 */
function kept(marks: readonly Mark[]): readonly Mark[] {
  if (marks.length <= progressKept) return marks;
  const progress = marks.filter(({ kind }) => kind === 'progress').slice(-progressKept);
  const lines = marks.filter(({ kind }) => kind === 'log').slice(-linesKept);
  const others = marks.filter(({ kind }) => kind !== 'progress' && kind !== 'log');
  const some =
    others.length <= firstKept + lastKept
      ? others
      : [...others.slice(0, firstKept), ...others.slice(-lastKept)];
  return progress.length + lines.length + some.length === marks.length
    ? marks
    : [...some, ...progress, ...lines].sort(compareMarks);
}

const ranks: Readonly<Record<MarkKind, number>> = Object.fromEntries(
  markKinds.map((kind, rank) => [kind, rank]),
) as Record<MarkKind, number>; // `markKinds` has each kind

/** 0: both marks are of the same moment. */
function compareMarks(a: Mark, b: Mark): number {
  return (
    a.at - b.at ||
    a.clock - b.clock ||
    ranks[a.kind] - ranks[b.kind] ||
    (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)
  );
}

/** One moment, recorded twice: two recorders may redact different fields. */
function fullerMark(a: Mark, b: Mark): Mark {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  if (left === right) return a;
  return fuller(left, right) === left ? a : b;
}
