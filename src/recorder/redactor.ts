// What of the facts is kept: no secrets, and what the user's hook leaves of them.
import type { TaskFacts } from '../history/facts.ts';
import { redactFacts } from '../history/redact-facts.ts';
import type { Logger } from '../lib/logger.ts';

/**
 * Changes the facts of one event before they are written. Null: from now on nothing of this task is kept. The hook must return the same for the
 * same facts. Fields that the event does not have are null: only a task's first events have its name.
 */
export type FactsHook = (facts: TaskFacts) => TaskFacts | null;

/** How many ids of tasks that the hook does not want are remembered, since later events of them may come. */
const maxUnwanted = 100_000;

export class Redactor {
  readonly #names: ReadonlySet<string>;
  readonly #hook: FactsHook | null;
  readonly #logger: Logger;
  /** Ids of tasks that the hook does not want. */
  readonly #unwanted = new Set<string>();
  #hookFailed = false;

  constructor(names: readonly string[] = [], hook: FactsHook | null = null, logger: Logger) {
    this.#names = new Set(names);
    this.#hook = hook;
    this.#logger = logger;
  }

  /** What is kept of these facts; null: nothing. */
  redacted(received: TaskFacts): TaskFacts | null {
    if (this.#unwanted.has(received.id)) return null;
    const facts = this.#hooked(redactFacts(received, this.#names));
    if (facts !== null) return facts;
    this.#unwanted.add(received.id);
    const [oldest] = this.#unwanted;
    if (this.#unwanted.size > maxUnwanted && oldest !== undefined) this.#unwanted.delete(oldest);
    return null;
  }

  #hooked(facts: TaskFacts): TaskFacts | null {
    if (this.#hook === null) return facts;
    try {
      return this.#hook(facts);
    } catch (error) {
      if (!this.#hookFailed)
        this.#logger.error(
          { err: error },
          `the redact hook failed; events for which it fails are not written: ${error}`,
        );
      this.#hookFailed = true;
      return null;
    }
  }
}
