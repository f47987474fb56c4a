// Which members a saved group has: Celery's `celery-taskset-meta-<id>`.
import { WorkflowError } from '../errors.ts';
import type { ResultTuple } from '../protocol/result-meta.ts';
import type { ResultBackend } from './backend.ts';

/** How a backend keeps groups where Python looks for them. */
export interface GroupRecords {
  /** `tuple` is Celery's tuple of the group's result: `[[id, parent], [members]]`. */
  put(id: string, tuple: ResultTuple): Promise<void>;
  get(id: string): Promise<ResultTuple | undefined>;
  /** False when there was none. */
  forget(id: string): Promise<boolean>;
}

/**
 * The groups of a backend: its own way, or records beside those of tasks.
 * @throws WorkflowError where results are messages, which are kept nowhere.
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
