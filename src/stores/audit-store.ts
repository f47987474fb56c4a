// The contract of the audit log: what people and programs did to queues, tasks and schedules. Kept in the store of messages, or of results.

/** An action. */
export interface AuditRecord {
  readonly at: Date;
  /** `ann@web1`, or the name of a user of the dashboard. */
  readonly user: string;
  /** The role of a user of the dashboard; else empty. */
  readonly role: string;
  /** `queue.purge`. */
  readonly action: string;
  /** The queue, the tasks or the schedule. */
  readonly target: string;
  /** Empty: none was given. */
  readonly reason: string;
  /** The address of a client of the dashboard; else empty. */
  readonly address: string;
}

/** An entry of the audit log: who did what, when and why. */
export interface AuditEntry extends AuditRecord {
  /** Grows: a later entry has a higher number. */
  readonly id: number;
}

/** Every method throws BrokerUnavailable when the store cannot answer. */
export interface AuditStore {
  /** Resolves when it is as durable as the store can make it. Of all entries the newest {@link maxAudited} are kept. */
  add(record: AuditRecord): Promise<void>;
  /** The newest first; `before`: only those with a lower number. */
  list(options: { readonly limit: number; readonly before: number | null }): Promise<readonly AuditEntry[]>;
}

/** How many entries a store keeps. */
export const maxAudited = 10_000;

interface KeepsAudit {
  openAudit?(): Promise<AuditStore>;
}

/** Where the audit log is kept: with the messages, else with the results. Null: neither can keep it. */
export async function auditOf(stores: {
  readonly transport: KeepsAudit;
  readonly backend: KeepsAudit | null;
}): Promise<AuditStore | null> {
  return (await (stores.transport.openAudit?.() ?? stores.backend?.openAudit?.())) ?? null;
}

/** An entry from what a store has kept. */
export function auditEntry(id: number, at: number, about: Readonly<Record<string, unknown>>): AuditEntry {
  const text = (name: keyof AuditRecord): string => String(about[name] ?? '');
  return {
    id,
    at: new Date(at),
    user: text('user'),
    role: text('role'),
    action: text('action'),
    target: text('target'),
    reason: text('reason'),
    address: text('address'),
  };
}
