// A claimed message of the embedded store.

import { LeaseLostError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import type { Decoded, WireMessage } from '../../protocol/message.ts';
import type { Delivery, Settlement } from '../transport.ts';
import { applyWrite, insertMessage, type MessageRow, makeReady, toRow } from './enqueue.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

/** A claimed message as it is stored. */
export interface ClaimedRow {
  readonly seq: number;
  readonly queue: string;
  readonly priority: number;
  readonly crashes: number;
  readonly deferrals: number;
  readonly redelivered: number;
  readonly envelope: string | Uint8Array;
}

export class SqliteDelivery implements Delivery {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #row: ClaimedRow;
  readonly #owner: number;
  readonly #onSettled: () => void;
  #message: Decoded<WireMessage> | undefined;
  #lost: AbortController | undefined;
  #isLost = false;
  #settled = false;
  #givenBack = false;

  constructor(store: SqliteStore, clock: Clock, row: ClaimedRow, owner: number, onSettled: () => void) {
    this.#store = store;
    this.#clock = clock;
    this.#row = row;
    this.#owner = owner;
    this.#onSettled = onSettled;
  }

  get queue(): string {
    return this.#row.queue;
  }

  get crashes(): number {
    return this.#row.crashes;
  }

  get deferrals(): number {
    return this.#row.deferrals;
  }

  get redelivered(): boolean {
    if (this.#row.redelivered !== 0) return true;
    const { message } = this;
    return message.ok && message.value.properties.deliveryInfo.redelivered === true;
  }

  get raw(): Uint8Array {
    const { envelope } = this.#row;
    return typeof envelope === 'string' ? Buffer.from(envelope) : envelope;
  }

  get message(): Decoded<WireMessage> {
    const message = this.#message ?? decodeEnvelope(this.#row.envelope);
    this.#message = message;
    return message;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort(new LeaseLostError());
    return this.#lost.signal;
  }

  async settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#givenBack) return 'fenced';
    if (this.#settled) throw new TypeError('a delivery is settled once');
    this.#settled = true;
    const now = this.#clock.now();
    const publish =
      settlement.kind === 'ack' ? (settlement.publish ?? []).map((each) => toRow(each, now)) : [];
    // A release needs no flush to disk: a loss of power releases all messages anyway.
    const durable = settlement.kind !== 'release';
    try {
      const done = await this.#store.write(durable, (transaction) =>
        this.#settle(transaction, settlement, publish, now),
      );
      this.#onSettled();
      return done ? 'settled' : 'fenced';
    } catch (error) {
      this.#settled = false; // nothing was written, so the caller may try again
      throw error;
    }
  }

  /** Another consumer has the lease now. */
  lose(): void {
    this.#isLost = true;
    this.#lost?.abort(new LeaseLostError());
  }

  /** Puts the message back to the front of its queue, if it is still held. */
  giveBack(transaction: Transaction): void {
    this.#givenBack = true;
    if (this.#unclaim(transaction)) this.#release(transaction, null, {});
  }

  /** Settles in one transaction, and only while this process has the lease: the fence. */
  #settle(
    transaction: Transaction,
    settlement: Settlement,
    publish: readonly MessageRow[],
    now: number,
  ): boolean {
    if (!this.#unclaim(transaction)) return false;
    if (settlement.kind === 'release') {
      const due = settlement.until?.getTime() ?? null;
      this.#release(transaction, due !== null && due > now ? due : null, settlement);
      return true;
    }
    const { sql } = transaction;
    const { seq, queue, priority, crashes, envelope } = this.#row;
    sql('DELETE FROM message WHERE seq = ?').run(seq);
    if (settlement.kind === 'dead') {
      sql(
        'INSERT INTO dead (queue, priority, crashes, reason, detail, died_at, envelope) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ).run(queue, priority, crashes, settlement.reason, settlement.detail, now, storable(envelope));
    }
    if (settlement.write !== undefined) applyWrite(transaction, this.#store, settlement.write);
    if (settlement.history !== undefined) applyWrite(transaction, this.#store, settlement.history);
    for (const row of publish) {
      if (row.write !== undefined) applyWrite(transaction, this.#store, row.write);
      insertMessage(transaction, this.#store, { ...row, write: undefined });
    }
    return true;
  }

  #unclaim({ sql }: Transaction): boolean {
    return (
      Number(sql('DELETE FROM claim WHERE seq = ? AND owner = ?').run(this.#row.seq, this.#owner).changes) > 0
    );
  }

  #release(
    transaction: Transaction,
    due: number | null,
    { deferred = false, crashed = false }: { readonly deferred?: boolean; readonly crashed?: boolean },
  ): void {
    const crashes = this.#row.crashes + (crashed ? 1 : 0);
    transaction
      .sql('UPDATE message SET redelivered = 1, deferrals = deferrals + ?, crashes = ? WHERE seq = ?')
      .run(deferred ? 1 : 0, crashes, this.#row.seq);
    makeReady(transaction, this.#store, { ...this.#row, crashes }, due);
  }
}

/** Node 22's SQLite treats an empty BLOB as NULL. */
function storable(envelope: string | Uint8Array): string | Uint8Array {
  return envelope.length === 0 ? '' : envelope;
}
