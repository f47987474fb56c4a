// The tasks that people have: reading and writing them. Every write goes through `change`.
import { type ExpressionBuilder, sql } from 'kysely';
import { priorities, type Status } from '../shared/kinds.ts';
import type { NewTask, Task, TaskChanges, TaskPage, TaskQuery } from '../shared/shapes.ts';
import { change, database, type Writing } from './database.ts';
import { planReminder } from './reminders.ts';
import { inDays, now, type Tables, type TaskRow } from './schema.ts';

/** The tasks of one user: every query begins with it. */
export function tasksOf(ownerId: number, reading: Pick<Writing, 'selectFrom'> = database) {
  return reading.selectFrom('tasks').where('owner_id', '=', ownerId);
}

export async function createTask(ownerId: number, task: NewTask): Promise<Task> {
  return change(ownerId, async (writing) => {
    const at = now();
    const times = { created_at: at, updated_at: at, completed_at: task.status === 'done' ? at : null };
    const row = { ...task, ...times, owner_id: ownerId, priority: priorities.indexOf(task.priority) };
    return reminded(writing, writing.insertInto('tasks').values(row).returningAll());
  });
}

/** undefined: the owner has no such task. */
export async function updateTask(
  ownerId: number,
  id: number,
  { completed, priority, ...changes }: TaskChanges,
): Promise<Task | undefined> {
  return change(ownerId, async (writing) => {
    const before = await tasksOf(ownerId, writing).selectAll().where('id', '=', id).executeTakeFirst();
    if (before === undefined) return undefined;
    const status =
      changes.status ?? (completed === undefined ? before.status : completed ? 'done' : reopened(before));
    const deadline = changes.deadline === undefined ? before.deadline : changes.deadline;
    const changed = writing
      .updateTable('tasks')
      .where('id', '=', id)
      .set({
        ...changes,
        priority: priority && priorities.indexOf(priority),
        status,
        completed_at: status === 'done' ? (before.completed_at ?? now()) : null,
        overdue_at: deadline === before.deadline && status !== 'done' ? before.overdue_at : null,
        updated_at: now(),
      });
    return reminded(writing, changed.returningAll());
  });
}

/** What was written, with a reminder of it. */
async function reminded(
  writing: Writing,
  written: { executeTakeFirstOrThrow(): Promise<TaskRow> },
): Promise<Task> {
  const row = await written.executeTakeFirstOrThrow();
  await planReminder(writing, row);
  return shown(row);
}

/** false: the owner has no such task. */
export async function deleteTask(ownerId: number, id: number): Promise<boolean> {
  return change(ownerId, async (writing) => {
    const task = writing.deleteFrom('tasks').where('id', '=', id).where('owner_id', '=', ownerId);
    return (await task.executeTakeFirst()).numDeletedRows > 0n; // its reminders go with it
  });
}

export async function findTask(ownerId: number, id: number): Promise<Task | null> {
  const row = await tasksOf(ownerId).selectAll().where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : shown(row);
}

export async function listTasks(ownerId: number, query: TaskQuery): Promise<TaskPage> {
  const found = tasksOf(ownerId).where((eb) => filters(eb, query));
  const total = await countOf(found);
  const rows = await found
    .selectAll()
    .$if(query.sort === 'deadline', (it) => it.orderBy('deadline', (by) => by.asc().nullsLast()))
    .$if(query.sort === 'priority', (it) => it.orderBy('priority', 'desc'))
    .$if(query.sort === 'title', (it) => it.orderBy('title'))
    .orderBy('id', 'desc')
    .limit(query.per_page)
    .offset((query.page - 1) * query.per_page)
    .execute();
  const pages = Math.max(1, Math.ceil(total / query.per_page));
  return { items: rows.map(shown), total, page: query.page, pages };
}

export async function countOf(tasks: ReturnType<typeof tasksOf>): Promise<number> {
  const counted = tasks.select(({ fn }) => fn.countAll<number>().as('total'));
  return (await counted.executeTakeFirstOrThrow()).total;
}

/** All tasks of a user, oldest first, in pieces: meanwhile others may write, and are not held up. */
export async function* allTasks(ownerId: number, size: number): AsyncGenerator<readonly Task[]> {
  const tasks = tasksOf(ownerId).selectAll().orderBy('id').limit(size);
  for (let after: number | undefined = 0; after !== undefined; ) {
    const rows: readonly TaskRow[] = await tasks.where('id', '>', after).execute();
    if (rows.length > 0) yield rows.map(shown);
    after = rows.at(-1)?.id;
  }
}

function filters(eb: ExpressionBuilder<Tables, 'tasks'>, { status, priority, due, search }: TaskQuery) {
  const text = `%${search?.toLowerCase().replace(/[\\%_]/g, String.raw`\$&`)}%`;
  const contains = (column: 'title' | 'description') =>
    sql<boolean>`lower(${eb.ref(column)}) like ${text} escape '\\'`;
  return eb.and([
    ...(status === 'open' ? [eb('status', '!=', 'done')] : status ? [eb('status', '=', status)] : []),
    ...(priority ? [eb('priority', '=', priorities.indexOf(priority))] : []),
    ...(due === 'none' ? [eb('deadline', 'is', null)] : []),
    ...(due !== undefined && due !== 'none' ? [eb('status', '!=', 'done')] : []),
    ...(due === 'overdue' ? [eb('deadline', '<', now())] : []),
    ...(due === 'day' || due === 'week'
      ? [eb('deadline', '>=', now()), eb('deadline', '<', inDays(due === 'day' ? 1 : 7))]
      : []),
    ...(search ? [eb.or([contains('title'), contains('description')])] : []),
  ]);
}

function reopened({ status }: TaskRow): Status {
  return status === 'done' ? 'todo' : status;
}

function shown({ owner_id, priority, overdue_at, ...row }: TaskRow): Task {
  const overdue = row.status !== 'done' && row.deadline !== null && Date.parse(row.deadline) < Date.now();
  return { ...row, priority: priorities[priority] ?? 'normal', overdue };
}
