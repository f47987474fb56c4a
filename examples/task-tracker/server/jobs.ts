// Exports and bulk updates: begun here, run by workers, and asked about here.
import { randomUUID } from 'node:crypto';
import { app, beginBulk, exportUserTasks } from './app.ts';
import type { Database } from './database.ts';
import type { Format } from './export.ts';
import { post, type Sending } from './outbox.ts';
import type { JobRow } from './schema.ts';
import type { BulkResult, Export, TaskChanges } from './shapes.ts';

export async function beginExport(database: Database, userId: number, format: Format): Promise<Export> {
  const id = randomUUID();
  const job = { id, user_id: userId, kind: 'export', detail: format } as const;
  return exportStatus(await begin(database, job, { id, task: exportUserTasks.name, args: [userId, format] }));
}

export async function exportStatus(job: JobRow): Promise<Export> {
  const record = await app.result(job.id).record();
  const status = job.content === null ? (record?.status ?? 'PENDING') : 'SUCCESS'; // the row outlives the result
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
    download: job.content === null ? null : `/tasks/export-download/${job.id}`,
  };
}

/** Its status now, and after each change until its end. */
export async function* watchExport(
  database: Database,
  job: JobRow,
  signal: AbortSignal,
): AsyncGenerator<Export> {
  for await (const _ of app.result(job.id).watch(signal)) {
    yield exportStatus((await findJob(database, job.user_id, 'export', job.id)) ?? job);
  }
}

export async function beginBulkUpdate(
  database: Database,
  userId: number,
  taskIds: readonly number[],
  changes: TaskChanges,
): Promise<BulkResult> {
  const id = randomUUID();
  const results = Object.fromEntries([...new Set(taskIds)].map((taskId) => [taskId, randomUUID()]));
  const job = { id, user_id: userId, kind: 'bulk', detail: JSON.stringify(results) } as const;
  return bulkStatus(await begin(database, job, { task: beginBulk.name, args: [id, userId, changes] }));
}

export async function bulkStatus(job: JobRow): Promise<BulkResult> {
  const results: Record<string, string> = JSON.parse(job.detail);
  const items = await Promise.all(
    Object.entries(results).map(async ([taskId, id]) => {
      const { status, result } = (await app.result(id).record()) ?? {};
      const failed = status === 'FAILURE' || status === 'REVOKED';
      const ended = status === 'SUCCESS' ? (result as 'updated' | 'not found') : ('waiting' as const); // as the task says
      const error = failed ? 'it could not be updated' : null;
      return { task_id: Number(taskId), outcome: failed ? ('failed' as const) : ended, error };
    }),
  );
  const done = items.filter(({ outcome }) => outcome !== 'waiting').length;
  return { task_id: job.id, done, total: items.length, items };
}

export async function findJob(
  database: Database,
  userId: number,
  kind: JobRow['kind'],
  id: string,
): Promise<JobRow | undefined> {
  return jobsOf(database, userId, kind).where('id', '=', id).executeTakeFirst();
}

/** The latest first. */
export async function exportsOf(database: Database, userId: number): Promise<Export[]> {
  const jobs = jobsOf(database, userId, 'export').orderBy('created_at', 'desc').limit(20);
  return Promise.all((await jobs.execute()).map(exportStatus));
}

function jobsOf(database: Database, userId: number, kind: JobRow['kind']) {
  return database.selectFrom('jobs').selectAll().where('user_id', '=', userId).where('kind', '=', kind);
}

/** The job, and what is to be sent for it, in one transaction: there is none without the other. */
function begin(
  database: Database,
  job: Pick<JobRow, 'id' | 'user_id' | 'kind' | 'detail'>,
  sending: Sending,
): Promise<JobRow> {
  return database.transaction().execute(async (writing) => {
    await post(writing, sending);
    return writing
      .insertInto('jobs')
      .values({ ...job, created_at: new Date().toISOString(), content: null, rows: null })
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}
