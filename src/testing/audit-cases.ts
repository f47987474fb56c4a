// The conformance cases of the audit log, for stores of messages and of results.
import assert from 'node:assert/strict';
import { type AuditRecord, type AuditStore, maxAudited } from '../stores/audit-store.ts';

interface KeepsAudit {
  openAudit?(): Promise<AuditStore>;
}

/** The title and the body of a case with two handles on one store. A store that does not keep the audit log passes. */
export const auditCase = {
  title: 'an action is kept in the audit log for all, the newest first, in pages',
  async run(open: () => Promise<KeepsAudit>): Promise<void> {
    const [one, other] = [await (await open()).openAudit?.(), await (await open()).openAudit?.()];
    if (one === undefined || other === undefined) return;
    const record = (target: string): AuditRecord => ({
      at: new Date(1_700_000_000_123),
      user: 'ann@here',
      role: 'admin',
      action: 'queue.purge',
      target,
      reason: 'größer 🌱\nline 2',
      address: '::1',
    });
    const all = { limit: maxAudited, before: null };
    assert.deepEqual(await one.list(all), []);
    for (const target of ['a', 'b', 'a']) await one.add(record(target));
    await other.add(record('c'));
    const entries = await one.list(all);
    assert.deepEqual(
      entries.map(({ id: _, ...rest }) => rest),
      ['c', 'a', 'b', 'a'].map(record),
    );
    const [newest, second] = await other.list({ limit: 2, before: null });
    assert.deepEqual([newest, second], entries.slice(0, 2));
    assert.ok((newest?.id ?? 0) > (second?.id ?? 0));
    assert.deepEqual(await other.list({ limit: 9, before: second?.id ?? 0 }), entries.slice(2));
  },
};
