// The embedded transport: messages in a SQLite file that any number of processes on one machine share.

import { BrokerUnavailable } from '../../errors.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import type { AuditStore } from '../audit-store.ts';
import type { HeldMessage } from '../held-messages.ts';
import type { HistoryStream, HistoryStreamOptions } from '../history-stream.ts';
import type { LimitReading, LimitReport, Limits, LimitsOptions } from '../limits.ts';
import type { Locks } from '../locks.ts';
import type { PauseStore } from '../pauses.ts';
import { checkQueueName } from '../reserved-names.ts';
import { StatusNotifier } from '../status.ts';
import type { HealthFigure } from '../store-health.ts';
import {
  type ConsumeOptions,
  type Consumer,
  maxPeekedBytes,
  type PeekedMessage,
  type PeekOptions,
  type Publication,
  type QueueSize,
  type Transport,
  type TransportFeatures,
  type TransportStatus,
} from '../transport.ts';
import type { WaitingChanges } from '../waiting.ts';
import { insertMessage, makeReady, notifyAllWaiting, type QueuePosition, toRow } from './enqueue.ts';
import { messageSchema } from './schema.ts';
import { SqliteStore, type SqlRow, type SqlValue, type Transaction } from './sqlite.ts';
import { SqliteConsumer } from './sqlite-consumer.ts';
import { SqliteDeadLetters } from './sqlite-dead-letters.ts';
import { fanoutSchema, SqliteFanout, SqliteRevocations } from './sqlite-fanout.ts';

interface SqliteTransportOptions {
  /** false: a separate handle, as if in another process. For tests. */
  readonly shared?: boolean;
  readonly clock?: Clock;
}

/**
 * Opens the transport on a SQLite file, which is created if needed.
 * @throws StoreError when the file cannot be opened, is not a database, or was written by a newer version.
 */
export async function openSqliteTransport(
  path: string,
  options: SqliteTransportOptions = {},
): Promise<Transport> {
  const store = await SqliteStore.openWith({ message: messageSchema, fanout: fanoutSchema }, path, options);
  return new SqliteTransport(store, options.clock ?? systemClock);
}

class SqliteTransport implements Transport {
  readonly name = 'sqlite';
  readonly features: TransportFeatures = {
    priority: true,
    priorityOrder: 'lowest-first',
    exchanges: false,
    once: false,
    multiProcess: true,
    durable: true,
    atomicSettlement: true,
    leaseExpires: true,
    counts: true,
    keepsPlace: true,
    choosesWaiting: true,
  };
  readonly #status = new StatusNotifier();
  readonly onStatus: Transport['onStatus'] = this.#status.listen;
  readonly store: SqliteStore;
  readonly deadLetters: SqliteDeadLetters;
  readonly fanout: SqliteFanout;
  readonly revocations: SqliteRevocations;
  readonly #clock: Clock;
  readonly #consumers = new Set<Consumer>();
  readonly #unlisten: () => void;
  #closed = false;

  constructor(store: SqliteStore, clock: Clock) {
    this.store = store;
    this.#clock = clock;
    this.deadLetters = new SqliteDeadLetters(store);
    this.fanout = new SqliteFanout(store, clock);
    this.revocations = new SqliteRevocations(store, clock);
    // The process that evicts a dead worker notifies consumers of the worker's messages, which are ready again.
    this.#unlisten = store.peers.listen({
      onPeerEvicted: (transaction) => notifyAllWaiting(transaction, store),
    });
  }

  /** There is no connection that could fail, but the file may be deleted or replaced. */
  get status(): TransportStatus {
    const { lost } = this.store;
    if (lost !== null) this.#status.set({ state: 'reconnecting', reason: lost.message });
    return this.#status.status;
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    this.#refuseIfClosed();
    const now = this.#clock.now();
    const rows = publications.map((publication) => toRow(publication, now));
    await this.store.write(true, (transaction) => {
      for (const row of rows) insertMessage(transaction, this.store, row);
    });
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.#refuseIfClosed();
    for (const queue of options.queues) checkQueueName(queue);
    await this.store.peers.own(options.leaseMs, options.name);
    const consumer = new SqliteConsumer(this.store, this.#clock, options, () => {
      this.#consumers.delete(consumer);
      void this.fanout.leave(consumer);
    });
    this.#consumers.add(consumer);
    await this.fanout.join(consumer, options.name);
    return consumer;
  }

  async size(queue: string): Promise<QueueSize> {
    const now = this.#clock.now();
    const count = (sql: string, ...values: number[]): number =>
      Number(this.store.read((prepare) => prepare(sql).get(queue, ...values))?.n ?? 0);
    const scheduled = 'SELECT count(*) AS n FROM scheduled JOIN message USING (seq) WHERE queue = ?';
    return {
      // A due message counts as ready, although only the next claim moves it to its queue.
      ready:
        count('SELECT count(*) AS n FROM ready WHERE queue = ?') +
        count('SELECT count(*) AS n FROM quarantined WHERE queue = ?') +
        count(`${scheduled} AND due <= ?`, now),
      scheduled: count(`${scheduled} AND due > ?`, now),
      claimed: count('SELECT count(*) AS n FROM claim JOIN message USING (seq) WHERE queue = ?'),
    };
  }

  async queues(): Promise<readonly string[]> {
    const rows = this.store.read((sql) =>
      sql(
        `SELECT DISTINCT queue FROM ready UNION SELECT queue FROM quarantined
         UNION SELECT queue FROM scheduled JOIN message USING (seq)
         UNION SELECT queue FROM claim JOIN message USING (seq) ORDER BY queue`,
      ).all(),
    );
    return rows.map((row) => String(row.queue));
  }

  async purge(queue: string, deleted?: (taskIds: readonly string[]) => Promise<void>): Promise<number> {
    // Messages that are sent during the purge are not deleted.
    const last = this.store.read((sql) =>
      Number(sql('SELECT max(seq) AS last FROM message').get()?.last ?? 0),
    );
    let count = 0;
    for (const place of ['scheduled', 'ready', 'quarantined'] as const) {
      for (let rows: Rows = [{}], after: SqlValue[] = [-1, 0]; rows.length > 0; ) {
        rows = await this.store.write(true, ({ sql }) => deleteSome(sql, place, queue, last, after));
        count += rows.length;
        await deleted?.(rows.map(({ id }) => id).filter((id) => typeof id === 'string'));
        after = [rows.at(-1)?.due ?? 0, rows.at(-1)?.seq ?? 0];
      }
    }
    await this.store.shrink();
    return count;
  }

  async changeWaiting(queue: string, changes: WaitingChanges): Promise<number> {
    this.#refuseIfClosed();
    const { changeWaiting } = await import('./sqlite-waiting.ts');
    return changeWaiting(this.store, () => this.#clock.now(), queue, changes);
  }

  async held(queue: string, limit: number): Promise<readonly HeldMessage[]> {
    const { heldMessages } = await import('./sqlite-held.ts');
    return heldMessages(this.store, queue, limit);
  }

  async releaseHeld(queue: string, taskId: string): Promise<number> {
    this.#refuseIfClosed();
    const { releaseHeld } = await import('./sqlite-held.ts');
    return releaseHeld(this.store, queue, taskId);
  }

  async openLocks(): Promise<Locks> {
    const { openSqliteLocks } = await import('./sqlite-locks.ts');
    return openSqliteLocks(this.store);
  }

  async openAudit(): Promise<AuditStore> {
    const { openSqliteAudit } = await import('./sqlite-audit.ts');
    return openSqliteAudit(this.store);
  }

  async health(): Promise<readonly HealthFigure[]> {
    const { sqliteHealth } = await import('./sqlite-health.ts');
    return sqliteHealth(this.store.path);
  }

  async openPauses(): Promise<PauseStore> {
    const { openSqlitePauses } = await import('./sqlite-pauses.ts');
    return openSqlitePauses(this.store);
  }

  async openHistoryStream(options: HistoryStreamOptions): Promise<HistoryStream> {
    const { openSqliteHistoryStream } = await import('./sqlite-history-stream.ts');
    return openSqliteHistoryStream(this.store, this.#clock, options);
  }

  async openLimits(options: LimitsOptions): Promise<Limits> {
    const { openSqliteLimits } = await import('./sqlite-limits.ts');
    return openSqliteLimits(this.store, options);
  }

  async readLimits(reading: LimitReading): Promise<LimitReport> {
    const { readSqliteLimits } = await import('./sqlite-limit-report.ts');
    return readSqliteLimits(this.store, reading);
  }

  async promoteMatching(
    groups: readonly (readonly string[])[],
    { waiting }: { waiting: boolean },
  ): Promise<number> {
    // The search is outside of the transaction, which must be short.
    const meant = groups.flatMap((texts) => {
      const where = texts.map(() => 'instr(CAST(envelope AS TEXT), ?) > 0').join(' AND ');
      return this.store.read((sql) =>
        sql(`SELECT seq, queue, priority, crashes FROM message WHERE ${where}`).all(...texts),
      );
    });
    if (meant.length === 0) return 0;
    return this.store.write(false, (transaction) => {
      const { sql } = transaction;
      let count = 0;
      for (const row of meant) {
        const { seq, queue, priority, crashes } = positionOf(row);
        const isScheduled = Number(sql('DELETE FROM scheduled WHERE seq = ?').run(seq).changes) > 0;
        if (isScheduled) makeReady(transaction, this.store, { queue, priority, seq, crashes }, null);
        if (!isScheduled && !waiting) continue;
        const front = sql('UPDATE ready SET priority = -1 WHERE queue = ? AND priority = ? AND seq = ?');
        count += Number(front.run(queue, priority, seq).changes);
      }
      return count;
    });
  }

  async peek(
    queue: string,
    { place, heads = false, first, limit }: PeekOptions,
  ): Promise<readonly PeekedMessage[]> {
    // The size of a message is known when it is read: one after another, as all may be a gigabyte.
    return this.store.read((sql) => {
      const { rows, total } =
        place === 'scheduled'
          ? scheduledRows(sql, queue, limit)
          : heads
            ? headRows(sql, queue, limit)
            : readyRows(sql, queue, limit);
      let left = maxPeekedBytes;
      return rows(first === 'last').map(({ seq = null, due = null }, index) => {
        const envelope = sql('SELECT envelope FROM message WHERE seq = ?').get(seq)?.envelope;
        const stored = envelope instanceof Uint8Array ? envelope : String(envelope);
        const fits = stored.length <= left;
        if (fits) left -= stored.length;
        return {
          position: heads ? null : first === 'next' ? index : total() - 1 - index,
          due: due === null ? null : new Date(Number(due)),
          message: fits ? decodeEnvelope(stored) : null,
        };
      });
    });
  }

  async dueCounts(times: readonly number[]): Promise<readonly number[]> {
    return this.store.read((sql) =>
      times.slice(1).map((end, at) => {
        const counted = sql('SELECT count(*) AS n FROM scheduled WHERE due >= ? AND due < ?');
        return Number(counted.get(times[at] ?? 0, end)?.n ?? 0);
      }),
    );
  }

  promote(queue: string, due: readonly number[]): Promise<number> {
    return this.store.write(false, (transaction) => {
      let count = 0;
      for (const time of due) {
        const rows = transaction
          .sql(
            'SELECT seq, priority, crashes FROM scheduled JOIN message USING (seq) WHERE due = ? AND queue = ?',
          )
          .all(time, queue);
        for (const row of rows) {
          const seq = Number(row.seq);
          transaction.sql('DELETE FROM scheduled WHERE due = ? AND seq = ?').run(time, seq);
          const place = { queue, priority: Number(row.priority), seq, crashes: Number(row.crashes) };
          makeReady(transaction, this.store, place, null);
          count++;
        }
      }
      return count;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const consumer of [...this.#consumers]) await consumer.close();
    this.#unlisten();
    await this.fanout.close();
    await this.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The store itself may still be open for other users, such as the result backend. */
  #refuseIfClosed(): void {
    if (this.#closed) throw new BrokerUnavailable(`this handle on the store ${this.store.path} is closed`);
  }
}

function positionOf({ seq, queue, priority, crashes }: Readonly<Record<string, unknown>>): QueuePosition {
  return { seq: Number(seq), queue: String(queue), priority: Number(priority), crashes: Number(crashes) };
}

/** Messages of one place: rows, the next first or the last first, and how many there are. */
interface Waiting {
  rows(backwards: boolean): Rows;
  total(): number;
}

function readyRows(sql: Prepare, queue: string, limit: number): Waiting {
  const places = ['quarantined', 'ready'] as const;
  const count = (place: string): number =>
    Number(sql(`SELECT count(*) AS n FROM ${place} WHERE queue = ?`).get(queue)?.n ?? 0);
  return {
    rows: (backwards) => {
      const direction = backwards ? 'DESC' : 'ASC';
      return (backwards ? places.toReversed() : places)
        .flatMap((place) =>
          sql(
            `SELECT seq FROM ${place} WHERE queue = ? ORDER BY priority ${direction}, seq ${direction} LIMIT ?`,
          ).all(queue, limit),
        )
        .slice(0, limit);
    },
    total: () => count('quarantined') + count('ready'),
  };
}

/** The first of each priority: the key is (queue, priority, seq). */
function headRows(sql: Prepare, queue: string, limit: number): Waiting {
  const next =
    'SELECT priority, seq FROM ready WHERE queue = ? AND priority > ? ORDER BY priority, seq LIMIT 1';
  return {
    rows: (backwards) => {
      const rows: SqlRow[] = sql('SELECT seq FROM quarantined WHERE queue = ? ORDER BY seq LIMIT 1').all(
        queue,
      );
      for (
        let row = sql(next).get(queue, -2);
        row !== undefined;
        row = sql(next).get(queue, row.priority ?? null)
      )
        rows.push({ seq: row.seq ?? null });
      return (backwards ? rows.reverse() : rows).slice(0, limit);
    },
    total: () => 0,
  };
}

function scheduledRows(sql: Prepare, queue: string, limit: number): Waiting {
  return {
    rows: (backwards) => {
      const direction = backwards ? 'DESC' : 'ASC';
      return sql(
        `SELECT due, seq FROM (SELECT due, seq FROM scheduled ORDER BY due ${direction}, seq ${direction} LIMIT ${maxLookedAt})
         JOIN message USING (seq) WHERE queue = ? ORDER BY due ${direction}, seq ${direction} LIMIT ?`,
      ).all(queue, limit);
    },
    total: () =>
      Number(
        sql('SELECT count(*) AS n FROM scheduled JOIN message USING (seq) WHERE queue = ?').get(queue)?.n ??
          0,
      ),
  };
}

/** How many messages one transaction deletes. Deleting a million at once would block the event loop, and all other programs, for seconds. */
const purgeBatch = 1000;

/** How many scheduled messages are searched for one queue. Searching millions would block the event loop for seconds. */
const maxLookedAt = 10_000;

type Rows = readonly SqlRow[];
type Prepare = Transaction['sql'];

/** Deletes messages of one table and returns their rows. `after`: time and number of the scheduled message after which the search starts. */
function deleteSome(
  sql: Transaction['sql'],
  place: 'scheduled' | 'ready' | 'quarantined',
  queue: string,
  last: number,
  after: readonly SqlValue[],
): Rows {
  const idOf =
    "iif(typeof(envelope) = 'text' AND json_valid(envelope), envelope ->> '$.headers.id', NULL) AS id";
  const where =
    place === 'scheduled'
      ? 'm.queue = ? AND m.seq <= ? AND (due, p.seq) > (?, ?)'
      : 'p.queue = ? AND p.seq <= ?';
  const rows = sql(
    `SELECT p.*, ${idOf} FROM ${place} AS p JOIN message AS m USING (seq) WHERE ${where} LIMIT ${purgeBatch}`,
  ).all(queue, last, ...(place === 'scheduled' ? after : []));
  for (const { seq = null, due = null, priority = null } of rows) {
    if (place === 'scheduled') sql('DELETE FROM scheduled WHERE due = ? AND seq = ?').run(due, seq);
    else sql(`DELETE FROM ${place} WHERE queue = ? AND priority = ? AND seq = ?`).run(queue, priority, seq);
    sql('DELETE FROM message WHERE seq = ?').run(seq);
  }
  return rows;
}
