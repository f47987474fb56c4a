// Exports and bulk updates: begun by the web server, run by workers, and asked about.
import { randomUUID } from 'node:crypto';
import { group, type ResultRecord, type Signature } from 'umbel';
import type { Format } from '../shared/kinds.ts';
import type { BulkResult, Export, Task, TaskChanges } from '../shared/shapes.ts';
import { database } from './database.ts';
import { file } from './export.ts';
import { post } from './outbox.ts';
import { type JobRow, now } from './schema.ts';
import { allTasks, countOf, tasksOf, updateTask } from './tasks.ts';
import { again, app } from './umbel.ts';

/** Writes the file into the job's row. Its progress is its state. */
const exportUserTasks = app.task(
  'tracker.export_user_tasks',
  { ...again, bind: true, softTimeLimit: '10m', timeLimit: '11m' },
  async (task, userId: number, format: Format) => {
    const total = await countOf(tasksOf(userId));
    const tasks: Task[] = [];
    for await (const some of allTasks(userId, 50)) {
      task.signal.throwIfAborted();
      tasks.push(...some);
      await task.updateState('PROGRESS', { done: tasks.length, total: Math.max(tasks.length, total) });
    }
    const done = { content: file(format, tasks), rows: tasks.length };
    await database.updateTable('jobs').set(done).where('id', '=', task.request.id).execute();
    return done.rows;
  },
);

/** One of a bulk update. Setting the same twice changes nothing, so it may be repeated. */
const bulkUpdateTask = app.task(
  'tracker.bulk_update_task',
  again,
  async (userId: number, id: number, changes: TaskChanges) =>
    (await updateTask(userId, id, changes)) === undefined ? 'not found' : 'updated',
);

export async function beginExport(userId: number, format: Format): Promise<Export> {
  return shown(await begin(userId, 'export', format, exportUserTasks.s(userId, format)));
}

export async function exportStatus(job: JobRow): Promise<Export> {
  return shown(job, job.content === null ? await ask(job.id) : undefined);
}

/** `record`: of a job that is only in the outbox yet, or whose result has expired, there is none. */
function shown(job: JobRow, record?: ResultRecord): Export {
  const isDone = job.content !== null; // the row outlives the result
  const status = isDone ? 'SUCCESS' : (record?.status ?? 'PENDING');
  const failed = status === 'FAILURE' || status === 'REVOKED';
  const progress = status === 'PROGRESS' ? (record?.result as { done: number; total: number }) : undefined; // as the task says it
  return {
    task_id: job.id,
    format: job.detail as Format, // as `beginExport` wrote it
    created_at: job.created_at,
    status,
    done: job.rows ?? progress?.done ?? 0,
    total: job.rows ?? progress?.total ?? null,
    error: failed ? 'the export has failed; begin another one' : null,
    download: isDone ? `/tasks/export-download/${job.id}` : null,
  };
}

/** Its status now, and after each change until its end. */
export async function* watchExport(job: JobRow, signal: AbortSignal): AsyncGenerator<Export> {
  for await (const _ of app.result(job.id).watch(signal))
    yield exportStatus((await findJob(job.user_id, 'export', job.id)) ?? job);
}

/** A group with a task for each. Their ids are in the job's row, too. */
export async function beginBulkUpdate(userId: number, taskIds: readonly number[], changes: TaskChanges) {
  const ids = new Map(taskIds.map((id) => [id, randomUUID()]));
  const updates = [...ids].map(([id, taskId]) => bulkUpdateTask.s(userId, id, changes).set({ taskId }));
  const job = await begin(userId, 'bulk', JSON.stringify([...ids]), group(updates));
  return bulkStatus(job, async () => undefined);
}

export async function bulkStatus(job: JobRow, recordOf: typeof ask = ask): Promise<BulkResult> {
  const ids: readonly (readonly [number, string])[] = JSON.parse(job.detail);
  const items = await Promise.all(
    ids.map(async ([task_id, id]) => {
      const { status, result } = (await recordOf(id)) ?? {};
      const failed = status === 'FAILURE' || status === 'REVOKED';
      const ended = status === 'SUCCESS' ? (result as 'updated' | 'not found') : ('waiting' as const); // as the task says
      const error = failed ? 'it could not be updated' : null;
      return { task_id, outcome: failed ? ('failed' as const) : ended, error };
    }),
  );
  const done = items.filter(({ outcome }) => outcome !== 'waiting').length;
  return { task_id: job.id, done, total: items.length, items };
}

export async function findJob(userId: number, kind: JobRow['kind'], id: string): Promise<JobRow | undefined> {
  return jobsOf(userId, kind).where('id', '=', id).executeTakeFirst();
}

/** The latest first. */
export async function exportsOf(userId: number): Promise<Export[]> {
  const jobs = await jobsOf(userId, 'export').orderBy('created_at', 'desc').limit(20).execute();
  return Promise.all(jobs.map(exportStatus));
}

function jobsOf(userId: number, kind: JobRow['kind']) {
  return database.selectFrom('jobs').selectAll().where('user_id', '=', userId).where('kind', '=', kind);
}

/** Who asks does not wait for long where the store of the results is away. */
function ask(id: string) {
  return app.result(id).record({ timeout: 2 });
}

/** The job, and what is to be sent for it, in one transaction: there is none without the other. */
function begin(userId: number, kind: JobRow['kind'], detail: string, call: Signature): Promise<JobRow> {
  return database.transaction().execute(async (writing) => {
    const row = { id: await post(writing, call), user_id: userId, kind, detail, created_at: now() };
    return writing.insertInto('jobs').values(row).returningAll().executeTakeFirstOrThrow();
  });
}
