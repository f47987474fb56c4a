// Changes to messages that wait in a queue of the embedded store.
import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import { checkQueueName } from '../reserved-names.ts';
import {
  type Decided,
  decisionsOf,
  type PlacedMessage,
  type WaitingChanges,
  type WaitingDecision,
  waitingWindow,
} from '../waiting.ts';
import { makeReady } from './enqueue.ts';
import type { SqliteStore, SqlRow, Transaction } from './sqlite.ts';

type Place = 'scheduled' | 'quarantined' | 'ready';

/** A message that was read, and its row in the table of its place. */
interface FoundRow extends PlacedMessage {
  readonly row: SqlRow;
}

/** See `Transport.changeWaiting`. Each window is one transaction, which changes what still waits. */
export async function changeWaiting(
  store: SqliteStore,
  now: () => number,
  queue: string,
  changes: WaitingChanges,
): Promise<number> {
  const places = changes.places.flatMap((place): Place[] =>
    place === 'scheduled' ? ['scheduled'] : ['quarantined', 'ready'],
  );
  let count = 0;
  for (const place of places) {
    for (let last: SqlRow | undefined; count < changes.limit; ) {
      const rows = readWindow(store, place, queue, last);
      if (rows.length === 0) break;
      last = rows.at(-1);
      const found = rows.filter(({ envelope }) => envelope !== null).map(foundOf);
      // Encoded outside of the transaction, which must be short.
      const decided = decisionsOf(found, changes, changes.limit - count).map((each) => ({
        ...each,
        envelope: newEnvelope(each.decision),
      }));
      if (decided.length === 0) continue;
      const done = await store.write(true, (transaction) =>
        decided.filter((each) => change(transaction, store, place, queue, each, now())),
      );
      count += done.length;
      await changes.changed?.(done.map((each) => each.found));
    }
  }
  return count;
}

/** The next rows of a table. Of scheduled messages those of other queues, too, without their bytes: the schedule is not sorted by queues. */
function readWindow(
  store: SqliteStore,
  place: Place,
  queue: string,
  last: SqlRow | undefined,
): readonly SqlRow[] {
  const { due = -1, priority = -2, seq = 0 } = last ?? {};
  const columns = 'm.queue AS queue, m.priority AS own, m.crashes AS crashes';
  return store.read((sql) =>
    place === 'scheduled'
      ? sql(
          `SELECT p.due, p.seq, ${columns}, iif(m.queue = ?, m.envelope, NULL) AS envelope
           FROM (SELECT due, seq FROM scheduled WHERE (due, seq) > (?, ?) ORDER BY due, seq LIMIT ${waitingWindow}) AS p
           JOIN message AS m USING (seq) ORDER BY p.due, p.seq`,
        ).all(queue, due, seq)
      : sql(
          `SELECT p.priority, p.seq, ${columns}, m.envelope AS envelope FROM ${place} AS p JOIN message AS m USING (seq)
           WHERE p.queue = ? AND (p.priority, p.seq) > (?, ?) ORDER BY p.priority, p.seq LIMIT ${waitingWindow}`,
        ).all(queue, priority, seq),
  );
}

function foundOf(row: SqlRow): FoundRow {
  const { due = null, envelope } = row;
  return {
    row,
    due: due === null ? null : new Date(Number(due)),
    message: decodeEnvelope(envelope instanceof Uint8Array ? envelope : String(envelope)),
  };
}

/** Null: the bytes stay as they are. @throws ReservedNameError for the new queue */
function newEnvelope(decision: Exclude<WaitingDecision, 'keep'>): string | null {
  if (decision === 'delete') return null;
  checkQueueName(decision.queue);
  return decision.message === null ? null : encodeEnvelope(decision.message, { bodyEncoding: 'utf-8' });
}

/** False: it does not wait there any more. */
function change(
  transaction: Transaction,
  store: SqliteStore,
  place: Place,
  queue: string,
  { found, decision, envelope }: Decided<FoundRow> & { readonly envelope: string | null },
  now: number,
): boolean {
  const { sql } = transaction;
  const { seq = null, due = null, priority = null, own, crashes } = found.row;
  const removed =
    place === 'scheduled'
      ? sql('DELETE FROM scheduled WHERE due = ? AND seq = ?').run(due, seq)
      : sql(`DELETE FROM ${place} WHERE queue = ? AND priority = ? AND seq = ?`).run(queue, priority, seq);
  if (Number(removed.changes) === 0) return false;
  if (decision === 'delete') {
    sql('DELETE FROM message WHERE seq = ?').run(seq);
    return true;
  }
  const { message } = decision;
  const newPriority = message === null ? Number(own) : message.properties.priority;
  if (message === null) sql('UPDATE message SET queue = ? WHERE seq = ?').run(decision.queue, seq);
  else
    sql('UPDATE message SET queue = ?, priority = ?, envelope = ? WHERE seq = ?').run(
      decision.queue,
      newPriority,
      envelope,
      seq,
    );
  const newDue = decision.due?.getTime() ?? null;
  const position = {
    queue: decision.queue,
    priority: newPriority,
    seq: Number(seq),
    crashes: Number(crashes),
  };
  makeReady(transaction, store, position, newDue !== null && newDue > now ? newDue : null);
  return true;
}
