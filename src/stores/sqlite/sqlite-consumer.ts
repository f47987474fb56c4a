// A consumer of the embedded transport: claims messages, waits for them, and holds them.

import type { Clock } from '../../lib/clock.ts';
import { Sleeper } from '../../lib/sleeper.ts';
import { Quarantine } from '../quarantine.ts';
import type { ConsumeOptions, Consumer, Delivery } from '../transport.ts';
import { anyReady, makeReady, notifyWaiting, wait } from './enqueue.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';
import { type ClaimedRow, SqliteDelivery } from './sqlite-delivery.ts';

/** How often a waiting consumer looks for messages even without a notification, milliseconds. */
const pollIntervalMs = 1000;
/** How many due messages one claim moves to their queues. */
const promoteBatch = 1000;

let consumers = 0;

type Claim =
  | { readonly kind: 'evicted' }
  | { readonly kind: 'claimed'; readonly rows: readonly ClaimedRow[] }
  /** Nothing may be claimed for `ms` milliseconds, because of quarantined messages. */
  | { readonly kind: 'later'; readonly ms: number }
  | { readonly kind: 'empty' };

export class SqliteConsumer implements Consumer {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #queues: readonly string[];
  readonly #number = ++consumers;
  readonly #held = new Set<SqliteDelivery>();
  readonly #unlisten: () => void;
  readonly #onClose: () => void;
  readonly #closing = new AbortController();
  #turn = 0;
  readonly #quarantine: Quarantine;
  /** The sleepers of the claims under way. */
  readonly #sleepers = new Set<Sleeper>();
  #idle: (() => void) | null = null;

  constructor(store: SqliteStore, clock: Clock, options: ConsumeOptions, onClose: () => void) {
    this.#store = store;
    this.#clock = clock;
    this.#queues = options.queues;
    this.#quarantine = new Quarantine(clock, options.quarantineMs);
    this.#onClose = onClose;
    this.#unlisten = store.peers.listen({
      onNotified: (text) => {
        if (text === 'timer' || text === `ready ${this.#number}`) this.#wake();
      },
      onEvicted: () => {
        for (const delivery of this.#held) delivery.lose();
        this.#held.clear();
        this.#quarantine.reset();
        this.#wake();
      },
    });
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    const sleeper = new Sleeper(this.#clock);
    this.#sleepers.add(sleeper);
    // Not AbortSignal.any(): on Node 20 each call leaks memory in a signal that lives as long as the worker.
    signal.addEventListener('abort', sleeper.wake, { once: true });
    let listed = false;
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        const { aloneMs } = this.#quarantine;
        if (aloneMs > 0 && capacity() > 0) {
          await sleeper.sleep(aloneMs);
          continue;
        }
        const owner = await this.#store.peers.id();
        const claim = await this.#store.write(false, (transaction) =>
          this.#claim(transaction, owner, capacity()),
        );
        if (claim.kind === 'claimed') return this.#hold(claim.rows, owner);
        if (claim.kind === 'evicted') await this.#store.peers.sweep();
        else if (claim.kind === 'later') await sleeper.sleep(Math.min(claim.ms, pollIntervalMs));
        else {
          listed = true;
          await this.#waitForWork(sleeper, signal);
        }
      }
      // Another claim of this consumer still waits in the same row, and was notified if this claim was.
      if (listed && this.#sleepers.size === 1 && !this.#closing.signal.aborted) await this.#leave([]);
      return [];
    } finally {
      signal.removeEventListener('abort', sleeper.wake);
      this.#sleepers.delete(sleeper);
      if (this.#sleepers.size === 0) this.#idle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#wake();
    // A claim under way ends first, so that the messages that it took are known and given back.
    if (this.#sleepers.size > 0) await new Promise<void>((done) => (this.#idle = done));
    this.#unlisten();
    const held = [...this.#held];
    this.#held.clear();
    await this.#leave(held);
    this.#onClose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #hold(rows: readonly ClaimedRow[], owner: number): SqliteDelivery[] {
    return rows.map((row) => {
      const delivery = new SqliteDelivery(this.#store, this.#clock, row, owner, () => this.#letGo(delivery));
      this.#quarantine.took(row.crashes);
      this.#held.add(delivery);
      return delivery;
    });
  }

  #letGo(delivery: SqliteDelivery): void {
    if (this.#held.delete(delivery) && this.#quarantine.letGo(delivery.crashes)) this.#wake();
  }

  /** Stops waiting, and gives these messages back. If this consumer was just notified, it notifies another in its place. */
  async #leave(held: readonly SqliteDelivery[]): Promise<void> {
    const owner = await this.#store.peers.id();
    await this.#store.write(held.length > 0, (transaction) => {
      transaction.sql('DELETE FROM waiting WHERE owner = ? AND consumer = ?').run(owner, this.#number);
      for (const delivery of held) delivery.giveBack(transaction);
      this.#passOn(transaction);
    });
  }

  /** In one transaction: claims messages, or adds this consumer to the list of those that wait. */
  #claim(transaction: Transaction, owner: number, capacity: number): Claim {
    const { sql } = transaction;
    if (!this.#store.peers.isListed(transaction, owner)) return { kind: 'evicted' };
    sql('DELETE FROM waiting WHERE owner = ? AND consumer = ?').run(owner, this.#number);
    if (capacity <= 0) return { kind: 'claimed', rows: [] };
    promote(transaction, this.#store, this.#clock.now());
    const rows: ClaimedRow[] = [];
    const quarantined = this.#quarantine.holdsQuarantined ? undefined : this.#firstQuarantined(transaction);
    const may = this.#quarantine.look(quarantined !== undefined);
    if (may.quarantined && quarantined !== undefined)
      rows.push(takeQuarantined(transaction, owner, quarantined));
    while (may.others && rows.length < capacity) {
      const head = this.#nextQueue(transaction);
      if (head === undefined) break;
      rows.push(...take(transaction, owner, head.queue, head.priority, capacity - rows.length));
    }
    if (may.againMs !== null) {
      // It may have been notified for messages that it leaves.
      this.#passOn(transaction);
      return { kind: 'later', ms: may.againMs };
    }
    if (rows.length === 0) {
      for (const queue of this.#queues) wait(transaction, queue, owner, this.#number);
      return { kind: 'empty' };
    }
    if (rows.length === capacity || may.quarantined) this.#passOn(transaction);
    return { kind: 'claimed', rows };
  }

  #firstQuarantined({ sql }: Transaction): ClaimedRow | undefined {
    for (const queue of this.#queues) {
      const row = sql(
        `${claimed} FROM quarantined JOIN message USING (seq) WHERE quarantined.queue = ? LIMIT 1`,
      ).get<ClaimedRow>(queue);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** The queue whose first message is the most urgent. Queues with equal messages take turns (round robin, as in kombu). */
  #nextQueue({ sql }: Transaction): { queue: string; priority: number } | undefined {
    let best: { queue: string; priority: number } | undefined;
    for (let index = 0; index < this.#queues.length; index++) {
      const queue = this.#queues[(this.#turn + index) % this.#queues.length] ?? '';
      const priority = sql('SELECT priority FROM ready WHERE queue = ? ORDER BY priority LIMIT 1').get(
        queue,
      )?.priority;
      if (priority === undefined) continue;
      if (best === undefined || Number(priority) < best.priority)
        best = { queue, priority: Number(priority) };
    }
    if (best !== undefined) this.#turn = this.#queues.indexOf(best.queue) + 1;
    return best;
  }

  /** Notifies waiting consumers of the messages that this one does not claim. */
  #passOn(transaction: Transaction): void {
    for (const queue of this.#queues) {
      if (transaction.sql('SELECT 1 FROM waiting WHERE queue = ? LIMIT 1').get(queue) === undefined) continue;
      if (transaction.sql(anyReady).get(queue)) notifyWaiting(transaction, this.#store, queue);
    }
  }

  async #waitForWork(sleeper: Sleeper, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#closing.signal.aborted) {
      const due = this.#nextDue();
      const ms =
        due === null ? pollIntervalMs : Math.min(pollIntervalMs, Math.max(0, due - this.#clock.now()));
      if ((await sleeper.sleep(ms)) || this.#hasWork()) return;
    }
  }

  #wake(): void {
    for (const sleeper of this.#sleepers) sleeper.wake();
  }

  #nextDue(): number | null {
    const row = this.#store.read((sql) => sql('SELECT due FROM scheduled ORDER BY due LIMIT 1').get());
    return row === undefined ? null : Number(row.due);
  }

  /** Looks for work without the write lock, so that consumers whose timers end together do not compete for it. */
  #hasWork(): boolean {
    const due = this.#nextDue();
    if (due !== null && due <= this.#clock.now()) return true;
    const any = this.#quarantine.holdsQuarantined ? 'SELECT 1 FROM ready WHERE queue = ? LIMIT 1' : anyReady;
    return this.#queues.some((queue) => this.#store.read((sql) => sql(any).get(queue)) !== undefined);
  }
}

/** Moves due messages from the schedule to their queues. */
function promote(transaction: Transaction, store: SqliteStore, now: number): void {
  const { sql } = transaction;
  const due = sql(
    `SELECT due, seq, queue, priority, crashes FROM scheduled JOIN message USING (seq) WHERE due <= ? ORDER BY due LIMIT ${promoteBatch}`,
  ).all(now);
  for (const row of due) {
    sql('DELETE FROM scheduled WHERE due = ? AND seq = ?').run(row.due ?? null, row.seq ?? null);
    makeReady(
      transaction,
      store,
      {
        queue: String(row.queue),
        priority: Number(row.priority),
        seq: Number(row.seq),
        crashes: Number(row.crashes),
      },
      null,
    );
  }
}

/** The columns of a claimed message. */
const claimed =
  'SELECT message.seq, message.queue, message.priority, crashes, deferrals, redelivered, envelope';

function takeQuarantined({ sql }: Transaction, owner: number, row: ClaimedRow): ClaimedRow {
  const { seq, queue, priority } = row;
  sql('INSERT INTO claim VALUES (?, ?)').run(seq, owner);
  sql('DELETE FROM quarantined WHERE queue = ? AND priority = ? AND seq = ?').run(queue, priority, seq);
  return row;
}

/** Claims the first messages of one queue and priority. */
function take(
  { sql }: Transaction,
  owner: number,
  queue: string,
  priority: number,
  limit: number,
): readonly ClaimedRow[] {
  const rows = sql(
    `${claimed} FROM ready JOIN message USING (seq)
     WHERE ready.queue = ? AND ready.priority = ? ORDER BY seq LIMIT ?`,
  ).all<ClaimedRow>(queue, priority, limit);
  const last = rows.at(-1)?.seq;
  if (last === undefined) {
    // A row in `ready` without a message: another program has written into the tables.
    sql('DELETE FROM ready WHERE queue = ? AND priority = ? AND seq NOT IN (SELECT seq FROM message)').run(
      queue,
      priority,
    );
    return [];
  }
  const through = 'queue = ? AND priority = ? AND seq <= ?';
  sql(`INSERT INTO claim SELECT seq, ? FROM ready WHERE ${through}`).run(owner, queue, priority, last);
  sql(`DELETE FROM ready WHERE ${through}`).run(queue, priority, last);
  return rows;
}
