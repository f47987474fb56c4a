// The running task, for code in its asynchronous calls: the task's record lists what this code sends, and this code must not wait for results.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ResultTuple } from '../protocol/result-meta.ts';

/** What results and sending need of the running task; `runAs` in `app/running/context.ts` sets the whole task. */
export interface TaskScope {
  readonly name: string;
  readonly options: {
    /** Whether its record lists the tasks that it sends. */
    readonly trail: boolean;
  };
  readonly request: {
    readonly id: string;
    readonly rootId: string;
    readonly priority: number;
    /** The tasks that it has sent. */
    readonly children: ResultTuple[];
  };
}

export const taskScope: AsyncLocalStorage<TaskScope> = new AsyncLocalStorage();
