// The members of saved groups: Celery's `celery-taskset-meta-<id>`.
import { WorkflowError } from '../errors.ts';
import type { ResultTuple } from '../protocol/result-meta.ts';
import type { ResultBackend } from './backend.ts';

/** Keeps groups where Python looks for them. */
export interface GroupRecords {
  /** `tuple` is Celery's tuple of the group's result: `[[id, parent], [members]]`. */
  put(id: string, tuple: ResultTuple): Promise<void>;
  get(id: string): Promise<ResultTuple | undefined>;
  /** False: there was none. */
  forget(id: string): Promise<boolean>;
}

/**
 * The saved groups of a backend: kept in its own way, or as records next to those of tasks.
 * @throws WorkflowError where results are messages, which are not kept
 */
export function groupRecords(backend: ResultBackend): GroupRecords {
  if (backend.groups !== undefined) return backend.groups;
  if (backend.replyTo !== undefined) {
    throw new WorkflowError(
      `results by ${backend.name} are messages and are kept nowhere: a group cannot be saved; use sqlite, redis or postgresql (setting 'backend')`,
    );
  }
  return {
    put: (id, tuple) =>
      backend.put({
        taskId: keyOf(id),
        status: 'SUCCESS',
        result: tuple,
        traceback: null,
        children: [],
        dateDone: new Date(),
      }),
    async get(id) {
      const record = await backend.get(keyOf(id));
      return Array.isArray(record?.result) ? record.result : undefined;
    },
    forget: (id) => backend.forget(keyOf(id)),
  };
}

function keyOf(id: string): string {
  return `celery-taskset-meta-${id}`;
}
