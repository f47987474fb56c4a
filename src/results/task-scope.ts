// The task in whose asynchronous calls code runs: its results list what it sends, and it does not wait for them.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ResultTuple } from '../protocol/result-meta.ts';

/** What results, and what is sent, ask of the running task; `runAs` in `app/running/context.ts` fills it with the whole task. */
export interface TaskScope {
  readonly name: string;
  readonly options: {
    /** Its result lists the tasks that it sends. */
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
