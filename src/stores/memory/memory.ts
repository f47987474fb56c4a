/** A store in this process's memory: what its users put into it, under a name that they can share. */
export class MemoryStore {
  readonly name: string;
  readonly #parts = new Map<string, unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** The part of that name, made on first use. Each room has one of its own. */
  part<T>(name: string, make: () => T): T {
    if (!this.#parts.has(name)) this.#parts.set(name, make());
    return this.#parts.get(name) as T; // made by the same room, under its own name
  }
}

const stores = new Map<string, { readonly store: MemoryStore; users: number }>();

/** Opens the store of that name; all who open it before its last user has closed it share it. */
export function openMemory(name: string): MemoryStore {
  const known = stores.get(name) ?? { store: new MemoryStore(name), users: 0 };
  known.users++;
  stores.set(name, known);
  return known.store;
}

/** The counterpart of {@link openMemory}: after the last one the store is forgotten with all that is in it. */
export function closeMemory(store: MemoryStore): void {
  const known = stores.get(store.name);
  if (known !== undefined && known.store === store && --known.users === 0) stores.delete(store.name);
}
