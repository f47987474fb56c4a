// Tasks that must not run, by id, by workflow, or by stamp. All workers know them; the store keeps them for workers that start later.
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { TaskMessage } from '../protocol/message.ts';
import {
  maxRevocationLength,
  maxRevocations,
  type RevocationStore,
  stampRevocation,
  taskRevocation,
  workflowRevocation,
} from '../stores/fanout.ts';

/** As Celery's CELERY_WORKER_REVOKES_EXPIRES, milliseconds. */
const keptMs = 10_800_000;

/** The size of all revocations that a worker keeps; usual ids take a tenth of it. */
const maxCharacters = 20_000_000;

interface RevocationParts {
  readonly revocations: RevocationStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Revocations {
  readonly #parts: RevocationParts;
  /** When each revocation expires, milliseconds since 1970; the oldest first. */
  readonly #untilOf = new Map<string, number>();
  /** Characters of all of them. */
  #size = 0;

  constructor(parts: RevocationParts) {
    this.#parts = parts;
  }

  /** Whether the message must not run. Cheap while nothing is revoked. */
  has({ id, rootId, stamps }: Pick<TaskMessage, 'id' | 'rootId' | 'stamps'>): boolean {
    if (this.#untilOf.size === 0) return false;
    if (this.#counts(taskRevocation(id)) || this.#counts(workflowRevocation(rootId))) return true;
    // The message's own stamps, which are few, and not all that were ever revoked.
    for (const [name, values] of Object.entries<unknown>(stamps)) {
      for (const value of Array.isArray(values) ? values : [values])
        if (this.#counts(stampRevocation(name, String(value)))) return true;
    }
    return false;
  }

  get ids(): readonly string[] {
    const now = this.#parts.clock.now();
    return [...this.#untilOf]
      .filter(([notice, until]) => until > now && notice.startsWith('id:'))
      .map(([notice]) => notice.slice(3));
  }

  /** Keeps them here and in the store. Never rejects: if the store refuses them, at least this worker knows them. */
  async revoke(revocations: readonly string[]): Promise<void> {
    const { clock, logger } = this.#parts;
    const until = clock.now() + keptMs;
    this.#keep(revocations, until);
    try {
      await this.#parts.revocations.put(revocations, until);
    } catch (error) {
      logger.warn(
        { err: error, revoked: revocations.length },
        `cannot keep revocations in the store: ${String(error)}; workers that start later will not know them`,
      );
    }
  }

  /** Loads the revocations of the store. */
  async load(): Promise<void> {
    this.#keep(await this.#parts.revocations.read(), this.#parts.clock.now() + keptMs);
  }

  /** Adds revocations of another worker. */
  learn(ids: readonly string[]): void {
    this.#keep(ids.map(taskRevocation), this.#parts.clock.now() + keptMs);
  }

  #counts(notice: string): boolean {
    const until = this.#untilOf.get(notice);
    return until !== undefined && until > this.#parts.clock.now();
  }

  #keep(revocations: readonly string[], until: number): void {
    for (const notice of revocations) {
      if (notice.length > maxRevocationLength) continue;
      if (!this.#untilOf.delete(notice)) this.#size += notice.length;
      this.#untilOf.set(notice, until);
    }
    for (const oldest of this.#untilOf.keys()) {
      if (this.#untilOf.size <= maxRevocations && this.#size <= maxCharacters) break;
      this.#untilOf.delete(oldest);
      this.#size -= oldest.length;
    }
  }
}
