// The record of a task, computed from its facts: state, times, attempts and results.
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

/** One attempt of a worker to run a task. */
export interface TaskAttempt {
  /** Node name of the worker; null: unknown. */
  readonly worker: string | null;
  /** How many times the task had been retried before; null: unknown. */
  readonly retries: number | null;
  /** RECEIVED or STARTED: no event reported the end of this attempt. Its worker has the task, or has died. */
  readonly state: Exclude<RecordedState, 'PENDING'>;
  /** Number of the task's run, from 1, including runs whose worker died; null: unknown. */
  readonly attempt: number | null;
  /** Milliseconds since 1970 by the worker's clock, like the next two. */
  readonly receivedAt: number | null;
  /** When the code began. */
  readonly startedAt: number | null;
  /** When the attempt ended; null: it has not, or nobody reported it. */
  readonly endedAt: number | null;
  /** How long the code ran, milliseconds. */
  readonly runtimeMs: number | null;
  /** The error of a failed attempt, as text. */
  readonly exception: string | null;
  /** The error's stack. */
  readonly traceback: string | null;
}

/** Times are milliseconds since 1970, by the clock of the sender or worker that reported them. Null: unknown. */
export interface TaskRecord
  extends Omit<Description, 'args' | 'kwargs' | 'stamps'>,
    Pick<TaskAttempt, 'worker' | 'retries' | 'runtimeMs' | 'exception' | 'traceback'> {
  /** The task's id. */
  readonly id: string;
  /** Its state: that of its last attempt. */
  readonly state: RecordedState;
  /** The positional arguments, if an event had them as JSON; else only `argsRepr` has them. */
  readonly args: readonly unknown[] | null;
  /** The keyword arguments, if an event had them as JSON. */
  readonly kwargs: Readonly<Record<string, unknown>> | null;
  /** Its stamps: lists of values by name. */
  readonly stamps: Readonly<Record<string, readonly unknown[]>> | null;
  /** Node name of the client that sent the task. */
  readonly client: string | null;
  /** The queue to which it was sent. */
  readonly queue: string | null;
  /** The routing key with which it was sent. */
  readonly routingKey: string | null;
  /** The priority's number on the wire. */
  readonly priority: number | null;
  /** Index in the group, from 0. */
  readonly groupIndex: number | null;
  /** How many tasks follow it in its chain; null: none does, or nobody has told (Python's workers do not). */
  readonly chainLeft: number | null;
  /** Before this time it does not run. */
  readonly eta: number | null;
  /** After this time it does not start. */
  readonly expires: number | null;
  /** Time of the task's first event. */
  readonly seenAt: number;
  /** Time of the task's last event. */
  readonly updatedAt: number;
  /** When it was sent. */
  readonly sentAt: number | null;
  /** When a worker first received the task. */
  readonly receivedAt: number | null;
  /** When the last attempt started. */
  readonly startedAt: number | null;
  /** Null: the task has not ended. */
  readonly endedAt: number | null;
  /** From the time at which the task was sent, or was due (the later), to its first start. */
  readonly waitMs: number | null;
  /** Python's repr. */
  readonly result: string | null;
  /** What its code has reported by `updateState`, with the time. */
  readonly progress: readonly { readonly at: number; readonly value: unknown }[];
  /** The id of the task that it repeats (`app.history.retry`). */
  readonly retryOf: string | null;
  /** The ids of the tasks that repeat it. */
  readonly retriedAs: readonly string[];
  /** The last lines that the task's code has logged. */
  readonly log: readonly {
    readonly at: number;
    /** `debug`, `info`, `warn` or `error`. */
    readonly level: string | null;
    readonly message: string;
    readonly worker: string | null;
  }[];
  /** In the order in which they began. */
  readonly attempts: readonly TaskAttempt[];
}

const endings: Readonly<Partial<Record<MarkKind, TaskAttempt['state']>>> = {
  retried: 'RETRY',
  rejected: 'REJECTED',
  revoked: 'REVOKED',
  failed: 'FAILURE',
  succeeded: 'SUCCESS',
};

/** Pure: the same facts give the same record. */
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
    groupIndex: lastSaid(marks, 'groupIndex'),
    chainLeft: lastSaid(marks, 'chainLeft'),
    retries: lastSaid(marks, 'retries'),
    eta,
    expires: lastSaid(marks, 'expires'),
    seenAt: marks[0]?.at ?? 0,
    updatedAt: marks.at(-1)?.at ?? 0,
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
    retryOf: lastSaid(marks, 'retryOf'),
    retriedAs: marks.flatMap(({ retriedAs }) => retriedAs ?? []),
    log: marks
      .filter(({ kind }) => kind === 'log')
      .map(({ at, level = null, message = '', node }) => ({ at, level, message, worker: node || null })),
    attempts,
  };
}

/** Final states: only a task that is sent again leaves them. */
function isFinal(state: RecordedState): boolean {
  return state === 'SUCCESS' || state === 'FAILURE' || state === 'REVOKED' || state === 'REJECTED';
}

/** Another receipt does not undo an end, since that worker may find the stored result and run nothing. A start does. */
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

/** Marks of no attempt. */
const besideAttempts: ReadonlySet<MarkKind> = new Set(['sent', 'progress', 'log', 'resent']);

/** Each mark belongs to its worker's last attempt that it can continue; else it begins an attempt whose other marks are unknown. */
function attemptsOf(marks: readonly Mark[]): readonly TaskAttempt[] {
  const attempts: Draft[] = [];
  for (const mark of marks) {
    if (besideAttempts.has(mark.kind)) continue;
    const own = attempts.filter(({ worker }) => worker === (mark.node || null));
    // A worker of Python's may receive the retry before it tells that it has sent it.
    const retried = mark.kind === 'retried' ? own.findLast(isRunning) : undefined;
    const attempt = retried ?? own.findLast((each) => goesOn(each, mark));
    if (attempt === undefined) attempts.push(withMark(empty(), mark));
    else withMark(attempt, mark);
  }
  return attempts;
}

function isRunning({ startedAt, endedAt }: Draft): boolean {
  return startedAt !== null && endedAt === null;
}

function goesOn({ startedAt, endedAt }: Draft, { kind }: Mark): boolean {
  return endedAt === null && (startedAt === null || (kind !== 'received' && kind !== 'started'));
}

function empty(): Draft {
  return {
    worker: null,
    retries: null,
    state: 'RECEIVED',
    attempt: null,
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
  attempt.attempt = mark.attempt ?? attempt.attempt;
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
    // Without a reported runtime: the difference of two times of the same clock.
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
    if (value !== undefined) return value as Exclude<Mark[Key], undefined>; // the line before excludes undefined
  }
  return null;
}

/** Rounds to microseconds: further digits are rounding errors of the subtraction. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Reads JSON whose shape `Value` the writer of the facts has ensured. */
function parsed<Value>(json: string | null): Value | null {
  return json === null ? null : (JSON.parse(json) as Value);
}
