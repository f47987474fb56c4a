// A task's history as a row of a table: columns for queries, and its marks as compact text.
import type { Mark, MarkKind, TaskFacts } from '../history/facts.ts';
import { recordOf } from '../history/record.ts';

/** The columns in their order: short and frequently queried ones first. `seq`, the number that the store gives, is not among them. */
export const historyColumns = [
  'id',
  'seen',
  'updated',
  'state',
  'name',
  'queue',
  'worker',
  'client',
  'sent',
  'received',
  'started',
  'ended',
  'eta',
  'expires',
  'runtime',
  'wait',
  'retries',
  'priority',
  'root_id',
  'parent_id',
  'group_id',
  'chord_id',
  'args_repr',
  'kwargs_repr',
  'args',
  'kwargs',
  'stamps',
  'result',
  'exception',
  'traceback',
  'marks',
] as const;

type Column = (typeof historyColumns)[number];

type FactsColumn =
  | 'id'
  | 'name'
  | 'root_id'
  | 'parent_id'
  | 'group_id'
  | 'chord_id'
  | 'args_repr'
  | 'kwargs_repr'
  | 'args'
  | 'kwargs'
  | 'stamps'
  | 'result'
  | 'exception'
  | 'traceback'
  | 'marks';

/** The columns that hold facts. The others are computed from them, and exist for queries. */
export type FactsRow = Readonly<Record<Exclude<FactsColumn, 'id' | 'marks'>, string | null>> & {
  readonly id: string;
  readonly marks: string;
};

export const factsColumns: readonly FactsColumn[] = [
  'id',
  'name',
  'root_id',
  'parent_id',
  'group_id',
  'chord_id',
  'args_repr',
  'kwargs_repr',
  'args',
  'kwargs',
  'stamps',
  'result',
  'exception',
  'traceback',
  'marks',
];

/** The values of a row in the order of `historyColumns`. */
export function rowOf(facts: TaskFacts): readonly (string | number | null)[] {
  const record = recordOf(facts);
  const { result, exception, traceback } = record;
  const row: Readonly<Record<Column, string | number | null>> = {
    id: facts.id,
    seen: record.seenAt,
    updated: record.updatedAt,
    state: record.state,
    name: facts.name,
    queue: record.queue,
    worker: record.worker,
    client: record.client,
    sent: record.sentAt,
    received: record.receivedAt,
    started: record.startedAt,
    ended: record.endedAt,
    eta: record.eta,
    expires: record.expires,
    runtime: record.runtimeMs,
    wait: record.waitMs,
    retries: record.retries,
    priority: record.priority,
    root_id: facts.rootId,
    parent_id: facts.parentId,
    group_id: facts.groupId,
    chord_id: facts.chordId,
    args_repr: facts.argsRepr,
    kwargs_repr: facts.kwargsRepr,
    args: facts.args,
    kwargs: facts.kwargs,
    stamps: facts.stamps,
    result,
    exception,
    traceback,
    marks: marksText(facts.marks, { result, exception, traceback }),
  };
  return historyColumns.map((column) => row[column]);
}

export function factsOf(row: FactsRow): TaskFacts {
  return {
    id: row.id,
    name: row.name,
    rootId: row.root_id,
    parentId: row.parent_id,
    groupId: row.group_id,
    chordId: row.chord_id,
    argsRepr: row.args_repr,
    kwargsRepr: row.kwargs_repr,
    args: row.args,
    kwargs: row.kwargs,
    stamps: row.stamps,
    marks: marksOf(row.marks, row),
  };
}

type Texts = Readonly<Record<'result' | 'exception' | 'traceback', string | null>>;

// These letters are stored in databases, so they never change.
const letters: Readonly<Record<MarkKind, string>> = {
  sent: 's',
  received: 'r',
  started: 'b',
  progress: 'p',
  log: 'l',
  retried: 'a',
  rejected: 'j',
  revoked: 'v',
  failed: 'f',
  succeeded: 'o',
  resent: 'z',
};

const kindOf = new Map(Object.entries(letters).map(([kind, letter]) => [letter, kind as MarkKind]));

type More = Exclude<keyof Mark, 'kind' | 'at' | 'clock' | 'node'>;

const moreLetters: Readonly<Record<More, string>> = {
  queue: 'q',
  routingKey: 'k',
  priority: 'p',
  attempt: 'a',
  groupIndex: 'i',
  chainLeft: 'c',
  retries: 'n',
  eta: 'e',
  expires: 'x',
  runtimeMs: 't',
  result: 'r',
  exception: 'w',
  traceback: 'b',
  progress: 'g',
  retryOf: 'y',
  retriedAs: 'z',
  level: 'l',
  message: 'm',
};

const moreOf = new Map(Object.entries(moreLetters).map(([name, letter]) => [letter, name as More]));

/** Stands for the text in the column of the same name. */
const asColumn = 1;

type ShortMark = readonly [
  letter: string,
  at: number,
  clock: number,
  node: number,
  more?: Readonly<Record<string, unknown>>,
];

interface ShortMarks {
  readonly nodes: readonly string[];
  readonly marks: readonly ShortMark[];
}

function marksText(marks: readonly Mark[], texts: Texts): string {
  const nodes = [...new Set(marks.map(({ node }) => node))];
  const short = marks.map((mark): ShortMark => {
    const { kind, at, clock, node, ...rest } = mark;
    const more = Object.entries(rest).map(([name, value]) => [
      moreLetters[name as More],
      name in texts && value === texts[name as keyof Texts] ? asColumn : value,
    ]);
    const start = [letters[kind], at, clock, nodes.indexOf(node)] as const;
    return more.length === 0 ? start : [...start, Object.fromEntries(more)];
  });
  return JSON.stringify({ nodes, marks: short } satisfies ShortMarks);
}

function marksOf(text: string, texts: Texts): readonly Mark[] {
  const { nodes, marks } = JSON.parse(text) as ShortMarks; // written by `marksText`
  return marks.map(([letter, at, clock, node, more = {}]) => {
    const mark = { kind: kindOf.get(letter) ?? 'progress', at, clock, node: nodes[node] ?? '' };
    for (const [key, value] of Object.entries(more)) {
      const name = moreOf.get(key);
      if (name === undefined) continue;
      Object.assign(mark, {
        [name]: value === asColumn && name in texts ? texts[name as keyof Texts] : value,
      });
    }
    return mark;
  });
}
