/** A store in this process's memory. Its users can share it under a name. */
export class MemoryStore {
  readonly name: string;
  readonly #parts = new Map<string, unknown>();

  constructor(name: string) {
    this.name = name;
  }

  /** The part of that name, created on first use. Each kind of data has its own part. */
  part<T>(name: string, make: () => T): T {
    if (!this.#parts.has(name)) this.#parts.set(name, make());
    return this.#parts.get(name) as T; // each name is used with one type only
  }
}

const stores = new Map<string, { readonly store: MemoryStore; users: number }>();

/** Opens the store of that name. All users share it until the last of them has closed it. */
export function openMemory(name: string): MemoryStore {
  const known = stores.get(name) ?? { store: new MemoryStore(name), users: 0 };
  known.users++;
  stores.set(name, known);
  return known.store;
}

/** The counterpart of {@link openMemory}: after the last call the store is deleted with all its data. */
export function closeMemory(store: MemoryStore): void {
  const known = stores.get(store.name);
  if (known !== undefined && known.store === store && --known.users === 0) stores.delete(store.name);
}
