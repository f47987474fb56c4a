// Tells open pages that something of theirs has changed, whichever process changed it: it watches the users' revisions.
import type { Database } from './database.ts';

const everyMs = 1000;

export class Live {
  readonly #database: Database;
  /** Of each user: the revision last told, and who listens. */
  readonly #users = new Map<
    number,
    { revision: number; readonly listeners: Set<(revision: number) => void> }
  >();
  #timer: NodeJS.Timeout | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Calls `listener` after each change until the function it gives is called. */
  listen(
    user: { readonly id: number; readonly revision: number },
    listener: (revision: number) => void,
  ): () => void {
    const entry = this.#users.get(user.id) ?? { revision: user.revision, listeners: new Set() };
    entry.listeners.add(listener);
    this.#users.set(user.id, entry);
    this.#timer ??= setTimeout(() => void this.look(), everyMs);
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size === 0) this.#users.delete(user.id);
    };
  }

  /** Now, not at the next second: this process has just written. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#users.size === 0) return;
    try {
      const rows = await this.#database
        .selectFrom('users')
        .select(['id', 'revision'])
        .where('id', 'in', [...this.#users.keys()])
        .execute();
      for (const { id, revision } of rows) this.#tell(id, revision);
    } catch {
      // The database is away: the next look will tell.
    }
    if (this.#users.size > 0) this.#timer ??= setTimeout(() => void this.look(), everyMs);
  }

  close(): void {
    this.#users.clear();
    clearTimeout(this.#timer);
  }

  #tell(id: number, revision: number): void {
    const entry = this.#users.get(id);
    if (entry === undefined || entry.revision === revision) return;
    entry.revision = revision;
    for (const listener of entry.listeners) listener(revision);
  }
}
