// Tasks: the list, a task with its parent, root and children, and a workflow.
import type { App } from '../../../app/app.ts';
import type { Control } from '../../../control/control.ts';
import type { RecordedState, TaskRecord } from '../../../history/record.ts';
import { type ControlOutcome, outcomeOf } from './workers.ts';

/** A task as a line of a list. */
export interface TaskLine
  extends Pick<
    TaskRecord,
    | 'id'
    | 'name'
    | 'state'
    | 'queue'
    | 'worker'
    | 'retries'
    | 'eta'
    | 'seenAt'
    | 'sentAt'
    | 'startedAt'
    | 'endedAt'
    | 'waitMs'
    | 'runtimeMs'
    | 'exception'
    | 'parentId'
    | 'rootId'
    | 'groupId'
    | 'chordId'
  > {
  /** The arguments in one line, shortened. */
  readonly call: string;
}

interface TaskLines {
  readonly tasks: readonly TaskLine[];
  /** `after` of the next page; null: this is the last page. */
  readonly next: string | null;
}

export async function listTasks(
  app: App,
  query: string,
  options: { readonly sort: string; readonly limit: number; readonly after?: string },
): Promise<TaskLines> {
  const { tasks, next } = await app.history.list(query, options);
  return { tasks: tasks.map(lineOf), next };
}

export function countTasks(
  app: App,
  query: string,
): Promise<Readonly<Partial<Record<RecordedState, number>>>> {
  return app.history.counts(query);
}

export interface TaskPage {
  readonly task: TaskRecord;
  /** The task that sent it, and the first task of its workflow; null: unknown. */
  readonly parent: TaskLine | null;
  readonly root: TaskLine | null;
  readonly children: readonly TaskLine[];
  /** There are more children than in `children`. */
  readonly moreChildren: boolean;
}

const maxChildren = 100;

/** Null: the history has no such task. */
export async function showTask({ history }: App, id: string): Promise<TaskPage | null> {
  const [task, children] = await Promise.all([
    history.get(id),
    history.list(`parent:${quoted(id)} NOT id:${quoted(id)}`, { limit: maxChildren, sort: 'seen' }),
  ]);
  if (task === undefined) return null;
  const { rootId } = task;
  const parentId = parentOf(task);
  const [parent, root] = await Promise.all(
    [parentId, rootId === id ? null : rootId].map(async (other) => {
      const found = other === null ? undefined : await history.get(other);
      return found === undefined ? null : lineOf(found);
    }),
  );
  return {
    task,
    parent: parent ?? null,
    root: root ?? null,
    children: children.tasks.map(lineOf),
    moreChildren: children.next !== null,
  };
}

export interface WorkflowPage {
  /** The oldest first. Of a workflow with more than 500 tasks: its first and its last ones. */
  readonly tasks: readonly TaskLine[];
  /** How many of all its tasks are in each state. */
  readonly counts: Readonly<Partial<Record<RecordedState, number>>>;
}

/** A workflow that is too large to be shown is shown by how it begins and how it ends: the callback of a chord is sent last. */
const [maxFirst, maxLast] = [400, 100];

/** The tasks of a workflow. `root`: the id of its first task. */
export async function showWorkflow({ history }: App, root: string): Promise<WorkflowPage> {
  const query = `root:${quoted(root)}`;
  const [first, start, end, counts] = await Promise.all([
    history.get(root),
    history.list(query, { limit: maxFirst, sort: 'seen' }),
    history.list(query, { limit: maxLast, sort: '-seen' }),
    history.counts(query),
  ]);
  const all = [...(first === undefined ? [] : [first]), ...start.tasks, ...end.tasks.toReversed()];
  const tasks = new Map(all.map((task) => [task.id, lineOf(task)]));
  if (first === undefined || first.rootId === root) return { tasks: [...tasks.values()], counts };
  const ofState = (counts[first.state] ?? 0) + 1;
  return { tasks: [...tasks.values()], counts: { ...counts, [first.state]: ofState } };
}

/** @throws BrokerUnavailable */
export async function revokeTasks(
  control: Control,
  ids: readonly string[],
  options: { readonly terminate: boolean; readonly signalName: string },
): Promise<ControlOutcome> {
  return outcomeOf(await control.revoke(ids, options));
}

/** Quotes a word for the query language. */
function quoted(word: string): string {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

const maxCallLength = 160;

function lineOf(task: TaskRecord): TaskLine {
  const { id, name, state, queue, worker, retries, eta, seenAt, sentAt, startedAt, endedAt } = task;
  const { waitMs, runtimeMs, exception, rootId, groupId, chordId } = task;
  const times = { seenAt, sentAt, startedAt, endedAt, waitMs, runtimeMs, eta };
  const relatives = { parentId: parentOf(task), rootId, groupId, chordId };
  return {
    id,
    name,
    state,
    queue,
    worker,
    retries,
    ...times,
    exception: exception === null ? null : cut(exception, maxCallLength),
    ...relatives,
    call: cut(callOf(task), maxCallLength),
  };
}

/** A retry is sent by the task itself, and a task is not its own parent. */
function parentOf({ id, parentId }: TaskRecord): string | null {
  return parentId === id ? null : parentId;
}

function callOf({ args, kwargs, argsRepr, kwargsRepr }: TaskRecord): string {
  const positional = args === null ? (argsRepr ?? '').replace(/^[([]|,?[)\]]$/g, '') : inner(args);
  const named = kwargs === null ? (kwargsRepr ?? '').replace(/^\{|\}$/g, '') : inner(kwargs);
  return [positional, named].filter((text) => text !== '').join(', ');
}

function inner(value: object): string {
  return JSON.stringify(value).slice(1, -1);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
