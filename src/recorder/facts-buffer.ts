// What was heard and is not written yet, task by task: several events of a task are one row to write.
import { mergeFacts, type TaskFacts } from '../history/facts.ts';

export class FactsBuffer {
  #tasks = new Map<string, TaskFacts>();
  #events = 0;

  /** Events that are in it. */
  get events(): number {
    return this.#events;
  }

  add(facts: TaskFacts): void {
    const known = this.#tasks.get(facts.id);
    this.#tasks.set(facts.id, known === undefined ? facts : mergeFacts(known, facts));
    this.#events++;
  }

  /** What could not be written; it counts as one event of each task. */
  putBack(tasks: readonly TaskFacts[]): void {
    for (const facts of tasks) this.add(facts);
  }

  /** What is in it, which is then empty. */
  take(): readonly TaskFacts[] {
    const tasks = [...this.#tasks.values()];
    this.#tasks = new Map();
    this.#events = 0;
    return tasks;
  }
}
