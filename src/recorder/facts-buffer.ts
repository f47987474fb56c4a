// Facts that were received and are not written yet, by task: several events of one task make one row to write.
import { mergeFacts, type TaskFacts } from '../history/facts.ts';

export class FactsBuffer {
  #tasks = new Map<string, TaskFacts>();
  #events = 0;

  /** How many events the buffer holds. */
  get events(): number {
    return this.#events;
  }

  add(facts: TaskFacts): void {
    const known = this.#tasks.get(facts.id);
    this.#tasks.set(facts.id, known === undefined ? facts : mergeFacts(known, facts));
    this.#events++;
  }

  /** Puts back facts that could not be written. They count as one event of each task. */
  putBack(tasks: readonly TaskFacts[]): void {
    for (const facts of tasks) this.add(facts);
  }

  /** Empties the buffer and returns its facts. */
  take(): readonly TaskFacts[] {
    const tasks = [...this.#tasks.values()];
    this.#tasks = new Map();
    this.#events = 0;
    return tasks;
  }
}
