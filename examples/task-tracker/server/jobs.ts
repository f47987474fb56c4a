// Exports and bulk updates: begun here, run by workers, and asked about here.
import { randomUUID } from 'node:crypto';
import { GroupResult, group } from 'umbel';
import { app, bulkUpdateTask, exportUserTasks } from './app.ts';
import type { Database } from './database.ts';
import type { Format } from './export.ts';
import type { JobRow } from './schema.ts';
import type { BulkResult, Export, TaskChanges } from './shapes.ts';

/** The job first, then its task: whoever is told the id finds both. */
export async function beginExport(database: Database, userId: number, format: Format): Promise<Export> {
  const id = randomUUID();
  const job = await insert(database, { id, user_id: userId, kind: 'export', detail: format });
  await exportUserTasks.applyAsync([userId, format], { taskId: id });
  return exportStatus(job);
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
  const ids = [...new Set(taskIds)];
  const bulk = group(ids.map((id) => bulkUpdateTask.s(userId, id, changes))).freeze();
  if (!(bulk.result instanceof GroupResult)) throw new TypeError('a group has a group of results');
  const results = Object.fromEntries(bulk.result.results.map(({ id }, at) => [ids[at], id]));
  const job = await insert(database, {
    id: bulk.result.id,
    user_id: userId,
    kind: 'bulk',
    detail: JSON.stringify(results),
  });
  await bulk.delay();
  return bulkStatus(job);
}

export async function bulkStatus(job: JobRow): Promise<BulkResult> {
  const results: Record<string, string> = JSON.parse(job.detail);
  const items = await Promise.all(
    Object.entries(results).map(async ([taskId, id]) => {
      const record = await app.result(id).record();
      const failed = record?.status === 'FAILURE' || record?.status === 'REVOKED';
      const outcome = failed
        ? 'failed'
        : record?.status === 'SUCCESS'
          ? (record.result as 'updated' | 'not found')
          : 'waiting';
      return { task_id: Number(taskId), outcome, error: failed ? 'it could not be updated' : null } as const;
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
  return database
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', id)
    .where('user_id', '=', userId)
    .where('kind', '=', kind)
    .executeTakeFirst();
}

/** The latest first. */
export async function exportsOf(database: Database, userId: number): Promise<Export[]> {
  const jobs = await database
    .selectFrom('jobs')
    .selectAll()
    .where('user_id', '=', userId)
    .where('kind', '=', 'export')
    .orderBy('created_at', 'desc')
    .limit(20)
    .execute();
  return Promise.all(jobs.map(exportStatus));
}

function insert(
  database: Database,
  job: Pick<JobRow, 'id' | 'user_id' | 'kind' | 'detail'>,
): Promise<JobRow> {
  return database
    .insertInto('jobs')
    .values({ ...job, created_at: new Date().toISOString(), content: null, rows: null })
    .returningAll()
    .executeTakeFirstOrThrow();
}
