// The progress of a workflow: its tasks, and how many of them have ended.
import { isReady } from '../protocol/result-meta.ts';
import type { AsyncResult } from './async-result.ts';
import { eachOf } from './many.ts';

/** How many tasks there are, and how many of them have ended. */
export interface Progress {
  /** The tasks that are known so far. */
  readonly total: number;
  /** `succeeded` and `failed`. */
  readonly done: number;
  /** Tasks that have succeeded. */
  readonly succeeded: number;
  /** Includes tasks that were revoked, and tasks that never run because of a failure. */
  readonly failed: number;
}

/**
 * @param result with its parents and members
 * @param shapeOf returns the kept shape of the workflow that ends with a task: of a workflow that was saved, or that replaced the task
 */
export async function progressOf(
  result: AsyncResult,
  shapeOf: (id: string) => Promise<AsyncResult | null>,
): Promise<Progress> {
  const tasks = new Map<string, AsyncResult>();
  await collect(result, shapeOf, tasks);
  const states = await eachOf([...tasks.values()], (task) => task.status());
  const succeeded = states.filter((state) => state === 'SUCCESS').length;
  const done = states.filter(isReady).length;
  return { total: tasks.size, done, succeeded, failed: done - succeeded };
}

/** All tasks of the workflow, each once. */
async function collect(
  given: AsyncResult,
  shapeOf: (id: string) => Promise<AsyncResult | null>,
  tasks: Map<string, AsyncResult>,
): Promise<void> {
  for (let step: AsyncResult | null = given; step !== null; step = step.parent) {
    if ('results' in step) {
      for (const member of membersOf(step)) addAll(member, tasks);
      continue;
    }
    if (tasks.has(step.id)) continue;
    tasks.set(step.id, step);
    // The shapes of a group's members are not read: there may be many members.
    const shape = await shapeOf(step.id);
    if (shape !== null && 'results' in shape) tasks.delete(step.id); // a group has no record of its own
    const within = shape === null || 'results' in shape ? shape : shape.parent; // it ends with this very task
    if (within !== null) await collect(within, shapeOf, tasks);
  }
}

/** Adds a member: its steps, or all tasks of a group. */
function addAll(member: AsyncResult, tasks: Map<string, AsyncResult>): void {
  for (let step: AsyncResult | null = member; step !== null; step = step.parent) {
    if ('results' in step) for (const each of membersOf(step)) addAll(each, tasks);
    else tasks.set(step.id, step);
  }
}

function membersOf(group: AsyncResult): readonly AsyncResult[] {
  return (group as AsyncResult & { readonly results: readonly AsyncResult[] }).results; // it has them: see above
}
