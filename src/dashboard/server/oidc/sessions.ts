// The sessions of people who logged in with a provider. They are in memory only: after a restart people log in again.
import { createHash, randomBytes } from 'node:crypto';
import type { Identity } from './grants.ts';

interface Session {
  readonly identity: Identity;
  /** Milliseconds of a monotonic clock. */
  readonly until: number;
}

/** Above this number, the oldest session ends. */
const maxSessions = 10_000;

export class Sessions {
  readonly #lifetimeMs: number;
  /** By the hash of their id, so that the memory of the process has no id that could be used. */
  readonly #sessions = new Map<string, Session>();

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  /** Begins a session; always with a new id, so that nobody can know it before. */
  begin(identity: Identity, now: number): string {
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(keyOf(id), { identity, until: now + this.#lifetimeMs });
    for (const [key, { until }] of this.#sessions) {
      if (this.#sessions.size <= maxSessions && until > now) break;
      this.#sessions.delete(key);
    }
    return id;
  }

  /** Null: there is no such session, or it is over. */
  find(id: string, now: number): Identity | null {
    const session = this.#sessions.get(keyOf(id));
    if (session === undefined) return null;
    if (session.until > now) return session.identity;
    this.#sessions.delete(keyOf(id));
    return null;
  }

  end(id: string): void {
    this.#sessions.delete(keyOf(id));
  }
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
