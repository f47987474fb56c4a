import { AlreadyRegisteredError } from '../errors.ts';
import type { AnyTask } from './task.ts';

/** The tasks of one application, by name. */
export class Registry {
  readonly #tasks = new Map<string, AnyTask>();

  /** The task of this name; undefined: there is none. */
  get(name: string): AnyTask | undefined {
    return this.#tasks.get(name);
  }

  /** Whether there is a task of this name. */
  has(name: string): boolean {
    return this.#tasks.has(name);
  }

  /** In order of registration. */
  names(): string[] {
    return [...this.#tasks.keys()];
  }

  /** How many tasks there are. */
  get size(): number {
    return this.#tasks.size;
  }

  [Symbol.iterator](): Iterator<AnyTask> {
    return this.#tasks.values();
  }

  /**
   * @internal
   * @throws AlreadyRegisteredError when the name is taken.
   */
  add(task: AnyTask): void {
    if (this.#tasks.has(task.name)) throw new AlreadyRegisteredError(task.name);
    this.#tasks.set(task.name, task);
  }
}
