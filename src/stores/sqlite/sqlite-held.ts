// Messages that consumers of the embedded store hold: a look at them, and giving single ones back.
import { decodeEnvelope } from '../../protocol/envelope.ts';
import { type HeldMessage, isOfTask } from '../held-messages.ts';
import { maxPeekedBytes } from '../transport.ts';
import { makeReady } from './enqueue.ts';
import type { SqliteStore, SqlRow } from './sqlite.ts';

/** See `Transport.held`. The kernel tells the death of a process at once; its heartbeat only that it was stopped. */
export function heldMessages(store: SqliteStore, queue: string, limit: number): readonly HeldMessage[] {
  let left = maxPeekedBytes;
  return rowsOf(store, queue, limit).map(({ envelope, name }) => {
    const stored = envelope instanceof Uint8Array ? envelope : String(envelope);
    const fits = stored.length <= left;
    if (fits) left -= stored.length;
    return {
      consumer: String(name ?? ''),
      leaseEnds: null,
      message: fits ? decodeEnvelope(stored) : null,
    };
  });
}

/** See `Transport.releaseHeld`. */
export async function releaseHeld(store: SqliteStore, queue: string, taskId: string): Promise<number> {
  // The search is outside of the transaction, which must be short.
  const meant = rowsOf(store, queue, Number.MAX_SAFE_INTEGER).filter(({ envelope }) =>
    isOfTask(decodeEnvelope(envelope instanceof Uint8Array ? envelope : String(envelope)), taskId),
  );
  if (meant.length === 0) return 0;
  return store.write(true, (transaction) => {
    let count = 0;
    for (const { seq = null, owner = null, priority, crashes } of meant) {
      const { changes } = transaction.sql('DELETE FROM claim WHERE seq = ? AND owner = ?').run(seq, owner);
      if (Number(changes) === 0) continue; // settled meanwhile
      transaction.sql('UPDATE message SET redelivered = 1 WHERE seq = ?').run(seq);
      const position = { queue, priority: Number(priority), seq: Number(seq), crashes: Number(crashes) };
      makeReady(transaction, store, position, null);
      count++;
    }
    return count;
  });
}

function rowsOf(store: SqliteStore, queue: string, limit: number): readonly SqlRow[] {
  return store.read((sql) =>
    sql(
      `SELECT c.seq, c.owner, m.priority, m.crashes, m.envelope, p.name
       FROM claim AS c JOIN message AS m USING (seq) LEFT JOIN peer AS p ON p.id = c.owner
       WHERE m.queue = ? ORDER BY c.seq LIMIT ?`,
    ).all(queue, limit),
  );
}
