// Tells open pages that something of theirs has changed, whichever process changed it: it watches the users' revisions.
import type { Database } from './database.ts';
import type { User } from './users.ts';

type Listener = Pick<User, 'id' | 'revision'> & { changed(revision: number): void };

export class Live {
  readonly #database: Database;
  readonly #listeners = new Set<Listener>();
  readonly #timer = setInterval(() => void this.look(), 1000);

  constructor(database: Database) {
    this.#database = database;
  }

  /** Calls `changed` after each change until the function it gives is called. */
  listen({ id, revision }: User, changed: Listener['changed']): () => void {
    const listener = { id, revision, changed };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Now, not at the next second: this process has just written. */
  async look(): Promise<void> {
    if (this.#listeners.size === 0) return;
    const ids = new Set([...this.#listeners].map(({ id }) => id));
    const users = this.#database
      .selectFrom('users')
      .select(['id', 'revision'])
      .where('id', 'in', [...ids]);
    const rows = await users.execute().catch(() => []); // the database is away: the next look will tell
    const revisions = new Map(rows.map(({ id, revision }) => [id, revision]));
    for (const listener of this.#listeners) {
      const revision = revisions.get(listener.id) ?? listener.revision;
      if (revision <= listener.revision) continue; // of two looks at once, the older one may end later
      listener.revision = revision;
      listener.changed(revision);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
