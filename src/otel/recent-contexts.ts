// The contexts of the tasks that a worker had last: what it sends with their end belongs to their traces.
import type { Context } from '@opentelemetry/api';

/** A worker that runs more at a time loses the oldest: what follows these tasks then begins a trace of its own. */
const maxContexts = 10_000;

export class RecentContexts {
  readonly #byTask = new Map<string, Context>();

  set(taskId: string, context: Context): void {
    this.#byTask.delete(taskId);
    this.#byTask.set(taskId, context);
    if (this.#byTask.size <= maxContexts) return;
    for (const oldest of this.#byTask.keys()) {
      this.#byTask.delete(oldest);
      return;
    }
  }

  get(taskId: string): Context | undefined {
    return this.#byTask.get(taskId);
  }
}
