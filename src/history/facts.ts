// What is known of a task, in a form that two who know different parts of it can put together: in any order, any number of times.

/** A moment of a task's life, as one event told it. What the event did not say is left out. */
export interface Mark {
  readonly kind: MarkKind;
  /** Milliseconds since 1970, by the clock of who told it. */
  readonly at: number;
  /** Logical time of who told it. */
  readonly clock: number;
  /** Node name of who told it: of the sender for `sent`, else of the worker. */
  readonly node: string;
  readonly queue?: string;
  readonly routingKey?: string;
  readonly priority?: number;
  /** How many times it had been retried before. */
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
  /** How far it is, as JSON text. */
  readonly progress?: string;
}

/** In the order in which they follow each other within one moment. */
const markKinds = [
  'sent',
  'received',
  'started',
  'progress',
  'retried',
  'rejected',
  'revoked',
  'failed',
  'succeeded',
] as const;

export type MarkKind = (typeof markKinds)[number];

/** What stays the same for a task's whole life; null: nobody has said it. */
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

export interface TaskFacts extends Description {
  readonly id: string;
  /** In their order; no two are the same moment. */
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

/** Of a task with very many moments the first and the last are kept: so many. */
const firstKept = 16;
const lastKept = 48;
/** Of its progress: the last ones. */
const progressKept = 16;

/**
 * What both know together, of one task. It makes no difference who comes first, who came together before, or how often somebody comes: so a repeated event,
 * and a second recorder, change nothing.
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

/** Programs cut the same text at different lengths: the longer one says more. Of two as long, always the same one. */
function fuller(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  if (a.length !== b.length) return a.length > b.length ? a : b;
  return a >= b ? a : b;
}

/** Both are in order. */
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

/** What decides is the same for both orders of merging: the place in the whole, which a part can only overstate. */
function kept(marks: readonly Mark[]): readonly Mark[] {
  if (marks.length <= progressKept) return marks;
  const progress = marks.filter(({ kind }) => kind === 'progress').slice(-progressKept);
  const others = marks.filter(({ kind }) => kind !== 'progress');
  const some =
    others.length <= firstKept + lastKept
      ? others
      : [...others.slice(0, firstKept), ...others.slice(-lastKept)];
  return progress.length + some.length === marks.length ? marks : [...some, ...progress].sort(compareMarks);
}

const ranks: Readonly<Record<MarkKind, number>> = Object.fromEntries(
  markKinds.map((kind, rank) => [kind, rank]),
) as Record<MarkKind, number>; // each kind is there

/** 0: the same moment. */
function compareMarks(a: Mark, b: Mark): number {
  return (
    a.at - b.at ||
    a.clock - b.clock ||
    ranks[a.kind] - ranks[b.kind] ||
    (a.node < b.node ? -1 : a.node > b.node ? 1 : 0)
  );
}

/** One moment told twice, perhaps by recorders that hide different things. */
function fullerMark(a: Mark, b: Mark): Mark {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  if (left === right) return a;
  return fuller(left, right) === left ? a : b;
}
