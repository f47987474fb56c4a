// Tells open pages that something of theirs has changed, whichever process changed it: it watches the users' revisions.
import { database } from './database.ts';
import type { User } from './users.ts';

type Listener = Pick<User, 'id' | 'revision'> & { changed(revision: number): void };

const listeners = new Set<Listener>();
setInterval(() => void look(), 1000).unref();

/** Calls `changed` after each change until the function it gives is called. */
export function listen({ id, revision }: User, changed: Listener['changed']): () => void {
  const listener = { id, revision, changed };
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Now, not at the next second: this process has just written. */
export async function look(): Promise<void> {
  if (listeners.size === 0) return;
  const ids = [...new Set([...listeners].map(({ id }) => id))];
  const users = database.selectFrom('users').select(['id', 'revision']).where('id', 'in', ids);
  const rows = await users.execute().catch(() => []); // the database is away: the next look will tell
  const revisions = new Map(rows.map(({ id, revision }) => [id, revision]));
  for (const listener of listeners) {
    const revision = revisions.get(listener.id) ?? listener.revision;
    if (revision <= listener.revision) continue; // of two looks at once, the older one may end later
    listener.revision = revision;
    listener.changed(revision);
  }
}
