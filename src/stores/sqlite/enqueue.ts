// Puts messages into queues of the embedded store, and notifies consumers that wait for them.

import { encodeEnvelope } from '../../protocol/envelope.ts';
import { isQuarantined } from '../quarantine.ts';
import { checkQueueName } from '../reserved-names.ts';
import type { StoreWrite } from '../store-write.ts';
import type { Publication } from '../transport.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

/** A message to be put into its queue. */
export interface MessageRow {
  readonly queue: string;
  readonly priority: number;
  readonly envelope: string | Uint8Array;
  /** Milliseconds since 1970; null = now. */
  readonly due: number | null;
  readonly write: StoreWrite | undefined;
  readonly history?: StoreWrite | undefined;
}

/** A publication as it is stored. It is encoded outside the transaction, which must be short. */
export function toRow(publication: Publication, now: number): MessageRow {
  checkQueueName(publication.queue);
  const due = publication.eta?.getTime() ?? null;
  return {
    queue: publication.queue,
    priority: publication.message.properties.priority,
    envelope: encodeEnvelope(publication.message, { bodyEncoding: 'utf-8' }),
    due: due !== null && due > now ? due : null,
    write: publication.write,
    history: publication.history,
  };
}

/** Puts a message into its queue, unless its companion write shows that it is there already. Notifies a waiting consumer. */
export function insertMessage(transaction: Transaction, store: SqliteStore, row: MessageRow): void {
  if (row.write !== undefined && !applyWrite(transaction, store, row.write)) return;
  if (row.history !== undefined) applyWrite(transaction, store, row.history);
  const { sql } = transaction;
  const insert = sql('INSERT INTO message (queue, priority, envelope) VALUES (?, ?, ?)');
  const seq = insert.run(row.queue, row.priority, row.envelope).lastInsertRowid;
  makeReady(
    transaction,
    store,
    { queue: row.queue, priority: row.priority, seq: Number(seq), crashes: 0 },
    row.due,
  );
}

/** Makes a companion write; false: the row that it would create exists already. */
export function applyWrite(transaction: Transaction, store: SqliteStore, write: StoreWrite): boolean {
  if (write.store !== store)
    throw new TypeError('a write made for another store cannot travel with this settlement');
  // `store` proves that a driver of this store made the write, for its transactions.
  return write.apply(transaction as never);
}

/** The position of a message in its queue. */
export interface QueuePosition {
  readonly queue: string;
  readonly priority: number;
  readonly seq: number;
  /** How many of its owners died while they held it. */
  readonly crashes: number;
}

/** Makes a message ready: now (`due` null), or at `due`, milliseconds since 1970. */
export function makeReady(
  transaction: Transaction,
  store: SqliteStore,
  position: QueuePosition,
  due: number | null,
): void {
  const { sql } = transaction;
  if (due === null) {
    const line = isQuarantined(position.crashes) ? 'quarantined' : 'ready';
    sql(`INSERT INTO ${line} VALUES (?, ?, ?)`).run(position.queue, position.priority, position.seq);
    notifyWaiting(transaction, store, position.queue);
  } else {
    const before = sql('SELECT due FROM scheduled ORDER BY due LIMIT 1').get()?.due;
    sql('INSERT INTO scheduled VALUES (?, ?)').run(due, position.seq);
    if (before === undefined || due < Number(before)) notifyOfEarlierTimer(transaction, store);
  }
}

/**
 * Notifies one of the consumers that found this queue empty, after the commit, and removes it from the list: one message wakes one worker.
 * Both sides read and write under SQLite's write lock, so no notification is missed.
 */
export function notifyWaiting(transaction: Transaction, store: SqliteStore, queue: string): void {
  const noWaiter = noWaiterKey(queue);
  if (transaction.memo.has(noWaiter)) return;
  const next = transaction.sql('SELECT owner, consumer FROM waiting WHERE queue = ? LIMIT 1').get(queue);
  if (next === undefined) {
    transaction.memo.set(noWaiter, true);
    return;
  }
  const owner = Number(next.owner);
  const consumer = Number(next.consumer);
  transaction.sql('DELETE FROM waiting WHERE owner = ? AND consumer = ?').run(owner, consumer);
  store.peers.notifyOnCommit(transaction, owner, `ready ${consumer}`);
}

/** Adds a consumer to the list of those that are notified of a message in this queue. */
export function wait(transaction: Transaction, queue: string, owner: number, consumer: number): void {
  transaction.sql('INSERT INTO waiting VALUES (?, ?, ?)').run(queue, owner, consumer);
  transaction.memo.delete(noWaiterKey(queue));
}

/** Key of the transaction's memo that no consumer waits for this queue. */
function noWaiterKey(queue: string): string {
  return `nobody waits for ${queue}`;
}

/** Whether there is a message to claim in a queue. */
export const anyReady: string = `SELECT 1 FROM ready WHERE queue = ?1 UNION ALL SELECT 1 FROM quarantined WHERE queue = ?1 LIMIT 1`;

/** Notifies a waiting consumer of each queue that is not empty. */
export function notifyAllWaiting(transaction: Transaction, store: SqliteStore): void {
  const { sql } = transaction;
  for (const { queue } of sql('SELECT DISTINCT queue FROM waiting').all()) {
    if (sql(anyReady).get(String(queue))) notifyWaiting(transaction, store, String(queue));
  }
}

/** A message is due earlier than all others: waiting consumers set their timers again, and stay on the list. */
function notifyOfEarlierTimer(transaction: Transaction, store: SqliteStore): void {
  for (const { owner } of transaction.sql('SELECT DISTINCT owner FROM waiting').all()) {
    store.peers.notifyOnCommit(transaction, Number(owner), 'timer');
  }
}
