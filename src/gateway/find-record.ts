import { Problem } from '../http/problem.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { ResultBackend } from '../stores/backend.ts';
import { isClaim } from './idempotency.ts';
import type { GatewayState } from './route.ts';

/** The result backend. @throws Problem 501 when the application keeps no results */
export async function requireBackend({ app }: GatewayState): Promise<ResultBackend> {
  const backend = await app.backend();
  if (backend !== null) return backend;
  throw new Problem(501, `the application '${app.name}' keeps no results; it has no result backend`);
}

/**
 * The record of a task.
 * @throws Problem 404 for an unknown id, if the stores can know that; otherwise the task is PENDING, as in Celery
 */
export async function findRecord(gateway: GatewayState, id: string): Promise<ResultRecord> {
  const backend = await requireBackend(gateway);
  const record = isClaim(id) ? undefined : await backend.get(id);
  if (record !== undefined) return record;
  if (!isClaim(id) && !(await remembersSent(gateway, backend))) return pending(id);
  const hint = gateway.app.tasks.has(id) ? `; '${id}' is the name of a task, POST to it to call it` : '';
  throw new Problem(
    404,
    `no task with the id '${id}' is known; it was never sent, or its result has expired${hint}`,
  );
}

/** Whether each call leaves a record when it is sent: broker and backend are one store. */
export async function remembersSent({ app }: GatewayState, backend: ResultBackend): Promise<boolean> {
  return backend.features.remembersSent && backend.store === (await app.broker()).store;
}

function pending(taskId: string): ResultRecord {
  return { taskId, status: 'PENDING', result: null, traceback: null, children: [], dateDone: null };
}
