// The record of a task: what a person wants to know of its life, made of the facts that were told.
import type { Description, Mark, MarkKind, TaskFacts } from './facts.ts';

/** Celery's states. */
export type RecordedState =
  | 'PENDING'
  | 'RECEIVED'
  | 'STARTED'
  | 'RETRY'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | 'REJECTED';

/** A worker's try at a task. */
export interface TaskAttempt {
  readonly worker: string | null;
  /** How many times it had been retried before; null: nobody has said it. */
  readonly retries: number | null;
  /** RECEIVED and STARTED: no end of this try was told. Its worker has it, or has died. */
  readonly state: Exclude<RecordedState, 'PENDING'>;
  /** Milliseconds since 1970, by the worker's clock, as the next two. */
  readonly receivedAt: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly runtimeMs: number | null;
  readonly exception: string | null;
  readonly traceback: string | null;
}

/** Times are milliseconds since 1970, by the clock of who told them. Null: nobody has told it. */
export interface TaskRecord
  extends Omit<Description, 'args' | 'kwargs' | 'stamps'>,
    Pick<TaskAttempt, 'worker' | 'retries' | 'runtimeMs' | 'exception' | 'traceback'> {
  readonly id: string;
  readonly state: RecordedState;
  /** The arguments, where an event brought them as JSON; else there is only `argsRepr`. */
  readonly args: readonly unknown[] | null;
  readonly kwargs: Readonly<Record<string, unknown>> | null;
  readonly stamps: Readonly<Record<string, readonly unknown[]>> | null;
  /** Node name of its sender. */
  readonly client: string | null;
  readonly queue: string | null;
  readonly routingKey: string | null;
  readonly priority: number | null;
  readonly eta: number | null;
  readonly expires: number | null;
  /** The first that was heard of it. */
  readonly seenAt: number;
  /** The last that was heard of it. */
  readonly heardAt: number;
  readonly sentAt: number | null;
  /** For the first time. */
  readonly receivedAt: number | null;
  /** The last try. */
  readonly startedAt: number | null;
  /** Null: it has not ended. */
  readonly endedAt: number | null;
  /** From the time at which it was sent, or was due, until its first start. */
  readonly waitMs: number | null;
  /** Python's repr. */
  readonly result: string | null;
  readonly progress: readonly { readonly at: number; readonly value: unknown }[];
  /** The first first. */
  readonly attempts: readonly TaskAttempt[];
}

const endings: Readonly<Partial<Record<MarkKind, TaskAttempt['state']>>> = {
  retried: 'RETRY',
  rejected: 'REJECTED',
  revoked: 'REVOKED',
  failed: 'FAILURE',
  succeeded: 'SUCCESS',
};

/** Pure: the same facts are the same record. */
export function recordOf(facts: TaskFacts): TaskRecord {
  const { marks } = facts;
  const attempts = attemptsOf(marks);
  const state = stateOf(marks);
  const last = attempts.at(-1);
  const sent = marks.find(({ kind }) => kind === 'sent') ?? null;
  const started = marks.find(({ kind }) => kind === 'started') ?? null;
  const ended = isFinal(state) ? (marks.findLast(({ kind }) => endings[kind] === state) ?? null) : null;
  const eta = lastSaid(marks, 'eta');
  return {
    id: facts.id,
    name: facts.name,
    state,
    args: parsed<readonly unknown[]>(facts.args),
    kwargs: parsed<Readonly<Record<string, unknown>>>(facts.kwargs),
    argsRepr: facts.argsRepr,
    kwargsRepr: facts.kwargsRepr,
    stamps: parsed<Readonly<Record<string, readonly unknown[]>>>(facts.stamps),
    parentId: facts.parentId,
    rootId: facts.rootId,
    groupId: facts.groupId,
    chordId: facts.chordId,
    client: sent?.node || null,
    worker: last?.worker ?? null,
    queue: lastSaid(marks, 'queue'),
    routingKey: lastSaid(marks, 'routingKey'),
    priority: lastSaid(marks, 'priority'),
    retries: lastSaid(marks, 'retries'),
    eta,
    expires: lastSaid(marks, 'expires'),
    seenAt: marks[0]?.at ?? 0,
    heardAt: marks.at(-1)?.at ?? 0,
    sentAt: sent?.at ?? null,
    receivedAt: marks.find(({ kind }) => kind === 'received')?.at ?? null,
    startedAt: marks.findLast(({ kind }) => kind === 'started')?.at ?? null,
    endedAt: ended?.at ?? null,
    waitMs:
      sent === null || started === null
        ? null
        : round(Math.max(0, started.at - Math.max(sent.at, marks.find((mark) => mark.eta)?.eta ?? 0))),
    runtimeMs: last?.runtimeMs ?? null,
    result: state === 'SUCCESS' ? (ended?.result ?? null) : null,
    exception: state === 'SUCCESS' ? null : lastSaid(marks, 'exception'),
    traceback: state === 'SUCCESS' ? null : lastSaid(marks, 'traceback'),
    progress: marks
      .filter(({ progress }) => progress !== undefined)
      .map(({ at, progress = 'null' }) => ({ at, value: parsed<unknown>(progress) })),
    attempts,
  };
}

/** Nothing more is to come, unless somebody sends it again. */
function isFinal(state: RecordedState): boolean {
  return state === 'SUCCESS' || state === 'FAILURE' || state === 'REVOKED' || state === 'REJECTED';
}

/** What a worker holds without having begun does not undo an end: it may find that there is a result. A start does. */
function stateOf(marks: readonly Mark[]): RecordedState {
  let state: RecordedState = 'PENDING';
  for (const { kind } of marks) {
    const end = endings[kind];
    if (end !== undefined) state = isFinal(state) && end === 'RETRY' ? state : end;
    else if (kind === 'started') state = 'STARTED';
    else if (kind === 'received' && (!isFinal(state) || state === 'REJECTED')) state = 'RECEIVED';
    else if (kind === 'progress' && !isFinal(state)) state = 'STARTED';
  }
  return state;
}

type Draft = { -readonly [Key in keyof TaskAttempt]: TaskAttempt[Key] };

/** Each mark belongs to the last try of its worker that it can be a part of; else it begins one, of which the rest is not known. */
function attemptsOf(marks: readonly Mark[]): readonly TaskAttempt[] {
  const attempts: Draft[] = [];
  for (const mark of marks) {
    if (mark.kind === 'sent' || mark.kind === 'progress') continue;
    const attempt = attempts.findLast((each) => each.worker === (mark.node || null) && goesOn(each, mark));
    if (attempt === undefined) attempts.push(withMark(empty(), mark));
    else withMark(attempt, mark);
  }
  return attempts;
}

function goesOn({ startedAt, endedAt }: Draft, { kind }: Mark): boolean {
  return endedAt === null && (startedAt === null || (kind !== 'received' && kind !== 'started'));
}

function empty(): Draft {
  return {
    worker: null,
    retries: null,
    state: 'RECEIVED',
    receivedAt: null,
    startedAt: null,
    endedAt: null,
    runtimeMs: null,
    exception: null,
    traceback: null,
  };
}

function withMark(attempt: Draft, mark: Mark): Draft {
  const { kind, at, node, retries = attempt.retries } = mark;
  attempt.worker = node || null;
  attempt.retries = retries;
  const end = endings[kind];
  if (kind === 'received') attempt.receivedAt ??= at;
  else if (end === undefined) {
    attempt.startedAt = at;
    attempt.state = 'STARTED';
  } else {
    attempt.endedAt = at;
    attempt.state = end;
    attempt.exception = mark.exception ?? null;
    attempt.traceback = mark.traceback ?? null;
    // Two times of one clock say it, too.
    const { startedAt } = attempt;
    attempt.runtimeMs = mark.runtimeMs ?? (startedAt === null ? null : round(Math.max(0, at - startedAt)));
  }
  return attempt;
}

function lastSaid<Key extends keyof Mark>(
  marks: readonly Mark[],
  key: Key,
): Exclude<Mark[Key], undefined> | null {
  for (let index = marks.length - 1; index >= 0; index--) {
    const value = marks[index]?.[key];
    if (value !== undefined) return value as Exclude<Mark[Key], undefined>; // what the line before has excluded
  }
  return null;
}

/** To microseconds: what is beyond is the noise of subtraction. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** `Value`: what the writer has made sure of. */
function parsed<Value>(json: string | null): Value | null {
  return json === null ? null : (JSON.parse(json) as Value);
}
