import { type AuditEntry, type AuditRecord, type AuditStore, maxAudited } from '../audit-store.ts';
import type { MemoryStore } from './memory.ts';

/** The audit log of one store of this process. */
export class MemoryAudit implements AuditStore {
  /** The oldest first. */
  readonly #entries: AuditEntry[];

  constructor(store: MemoryStore) {
    this.#entries = store.part('audit', () => []);
  }

  async add(record: AuditRecord): Promise<void> {
    this.#entries.push({ ...record, id: (this.#entries.at(-1)?.id ?? 0) + 1 });
    if (this.#entries.length > maxAudited) this.#entries.shift();
  }

  async list({ limit, before }: Parameters<AuditStore['list']>[0]): Promise<readonly AuditEntry[]> {
    return this.#entries
      .filter(({ id }) => before === null || id < before)
      .slice(-limit)
      .reverse();
  }
}
