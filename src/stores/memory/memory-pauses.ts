import { byName, type Pause, type PauseStore } from '../pauses.ts';
import type { MemoryStore } from './memory.ts';

/** The pauses of one store of this process. */
export class MemoryPauses implements PauseStore {
  readonly #pauses: Map<string, Pause>;

  constructor(store: MemoryStore) {
    this.#pauses = store.part('pauses', () => new Map());
  }

  async put(pause: Pause): Promise<void> {
    const key = `${pause.kind} ${pause.name}`;
    this.#pauses.set(key, { ...pause, since: this.#pauses.get(key)?.since ?? pause.since });
  }

  async remove(kind: Pause['kind'], name: string): Promise<void> {
    this.#pauses.delete(`${kind} ${name}`);
  }

  async read(): Promise<readonly Pause[]> {
    return [...this.#pauses.values()].sort(byName);
  }
}
