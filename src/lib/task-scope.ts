import { AsyncLocalStorage } from 'node:async_hooks';

/** What code anywhere may know of the task in whose asynchronous calls it runs; `app/context.ts` fills it. */
interface TaskScope {
  readonly name: string;
}

export const taskScope: AsyncLocalStorage<TaskScope> = new AsyncLocalStorage();
