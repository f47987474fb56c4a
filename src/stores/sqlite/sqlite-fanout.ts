// Broadcasts and revocations between processes that share a store: recent broadcasts are in a table, and listeners are notified.

import type { Clock } from '../../lib/clock.ts';
import { decodeEnvelope, encodeEnvelope } from '../../protocol/envelope.ts';
import type { WireMessage } from '../../protocol/message.ts';
import {
  type Fanout,
  type FanoutExchange,
  type FanoutListener,
  maxRevocations,
  type RevocationStore,
  type Subscription,
} from '../fanout.ts';
import { binds } from '../topology.ts';
import type { SqliteStore, Transaction } from './sqlite.ts';

export const fanoutSchema: readonly string[] = [
  `
CREATE TABLE listening (               -- which processes want to be notified for which exchange
  exchange TEXT NOT NULL, peer INTEGER NOT NULL,
  PRIMARY KEY (exchange, peer)
) WITHOUT ROWID;
CREATE TABLE broadcast (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  exchange TEXT NOT NULL, routing_key TEXT NOT NULL, sent_at INTEGER NOT NULL,
  envelope TEXT NOT NULL
);
CREATE TABLE revocation (
  revocation TEXT PRIMARY KEY, until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX revocation_until ON revocation (until);
CREATE TRIGGER evict_listener AFTER DELETE ON peer BEGIN
  DELETE FROM listening WHERE peer = OLD.id;
END;`,
  `
CREATE TABLE worker (                  -- a process may have several
  name TEXT NOT NULL, peer INTEGER NOT NULL,
  PRIMARY KEY (name, peer)
) WITHOUT ROWID;
CREATE TRIGGER evict_names AFTER DELETE ON peer BEGIN
  DELETE FROM worker WHERE peer = OLD.id;
END;`,
];

/** How long broadcasts are kept for a slow listener, milliseconds; and how many. */
const keptMs = 30_000;
const keptBroadcasts = 2_000;
const notificationText = 'broadcast';

interface Listening {
  readonly subscription: Subscription;
  readonly listener: FanoutListener;
}

/** All fanouts of this process on one store. To other processes they are one peer, which listens as long as one of them listens. */
const beside = new WeakMap<SqliteStore, Set<SqliteFanout>>();

export class SqliteFanout implements Fanout {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #listening = new Set<Listening>();
  /** The names of this process's workers, by consumer. */
  readonly #names = new Map<object, string>();
  readonly #siblings: Set<SqliteFanout>;
  #unlisten: (() => void) | null = null;
  /** Id of the last broadcast that was read. */
  #last = 0;
  #reading = false;
  #readAgain = false;
  #closed = false;

  constructor(store: SqliteStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#siblings = beside.get(store) ?? new Set();
    beside.set(store, this.#siblings.add(this));
  }

  async publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    const listenerRow = this.#store.read((sql) =>
      sql('SELECT 1 FROM listening WHERE exchange = ? LIMIT 1').get(exchange.name),
    );
    if (listenerRow === undefined) return;
    const envelope = encodeEnvelope(message, { bodyEncoding: 'utf-8' });
    await this.#store.write(false, (transaction) => {
      const { sql } = transaction;
      const now = this.#clock.now();
      const insert = 'INSERT INTO broadcast (exchange, routing_key, sent_at, envelope) VALUES (?, ?, ?, ?)';
      const { lastInsertRowid } = sql(insert).run(exchange.name, routingKey, now, envelope);
      sql('DELETE FROM broadcast WHERE id <= ? OR (id < ? AND sent_at < ?)').run(
        Number(lastInsertRowid) - keptBroadcasts,
        Number(lastInsertRowid),
        now - keptMs,
      );
      for (const { peer } of sql('SELECT peer FROM listening WHERE exchange = ?').all(exchange.name))
        this.#store.peers.notifyOnCommit(transaction, Number(peer), notificationText);
    });
  }

  async subscribe(subscription: Subscription, listener: FanoutListener): Promise<AsyncDisposable> {
    const listening = { subscription, listener };
    this.#listenToPeers();
    this.#listening.add(listening);
    await this.#register();
    return { [Symbol.asyncDispose]: () => this.#leave(listening) };
  }

  async workers(): Promise<readonly string[]> {
    const rows = this.#store.read((sql) => sql('SELECT DISTINCT name FROM worker ORDER BY name').all());
    return rows.map(({ name }) => String(name));
  }

  /** A worker has started. */
  async join(consumer: object, name: string): Promise<void> {
    this.#names.set(consumer, name);
    this.#listenToPeers();
    await this.#register();
  }

  async leave(consumer: object): Promise<void> {
    const name = this.#names.get(consumer);
    this.#names.delete(consumer);
    if (name === undefined || this.#all((each) => [...each.#names.values()]).has(name)) return;
    const id = await this.#store.peers.id();
    const gone = (transaction: Transaction): unknown =>
      transaction.sql('DELETE FROM worker WHERE name = ? AND peer = ?').run(name, id);
    await this.#store.write(false, gone).catch(() => undefined);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#siblings.delete(this);
    this.#unlisten?.();
    const exchanges = this.#exchanges();
    this.#listening.clear();
    await this.#forget(exchanges).catch(() => undefined);
  }

  #listenToPeers(): void {
    if (this.#unlisten !== null) return;
    this.#last = this.#newest();
    this.#unlisten = this.#store.peers.listen({
      onNotified: (text) => void (text === notificationText && this.#read()),
      // After an eviction this process has a new id, under which it must register again.
      onEvicted: () =>
        void this.#register().then(
          () => this.#read(),
          () => undefined, // the store is full or locked: the next eviction or subscription tries again
        ),
    });
  }

  async #register(): Promise<void> {
    const exchanges = this.#exchanges();
    const names = new Set(this.#names.values());
    if ((exchanges.size === 0 && names.size === 0) || this.#closed) return;
    const id = await this.#store.peers.id();
    await this.#store.write(false, ({ sql }) => {
      for (const exchange of exchanges)
        sql('INSERT OR IGNORE INTO listening (exchange, peer) VALUES (?, ?)').run(exchange, id);
      for (const name of names) sql('INSERT OR IGNORE INTO worker (name, peer) VALUES (?, ?)').run(name, id);
    });
  }

  async #leave(listening: Listening): Promise<void> {
    if (!this.#listening.delete(listening)) return;
    const { name } = listening.subscription.exchange;
    if (!this.#exchanges().has(name)) await this.#forget(new Set([name])).catch(() => undefined);
  }

  async #forget(exchanges: ReadonlySet<string>): Promise<void> {
    if (exchanges.size === 0) return;
    const id = await this.#store.peers.id();
    await this.#store.write(false, ({ sql }: Transaction) => {
      const others = this.#all((each) => each.#exchanges());
      for (const exchange of exchanges)
        if (!others.has(exchange))
          sql('DELETE FROM listening WHERE exchange = ? AND peer = ?').run(exchange, id);
    });
  }

  #exchanges(): Set<string> {
    return new Set([...this.#listening].map(({ subscription }) => subscription.exchange.name));
  }

  #all(of: (fanout: SqliteFanout) => Iterable<string>): Set<string> {
    return new Set([...this.#siblings].flatMap((each) => [...of(each)]));
  }

  #newest(): number {
    const row = this.#store.read((sql) => sql('SELECT max(id) AS id FROM broadcast').get());
    return Number(row?.id ?? 0);
  }

  /** Reads new broadcasts. One notification may stand for many, and more may come meanwhile. */
  #read(): void {
    this.#readAgain = true;
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.#readAgain && !this.#closed) {
        this.#readAgain = false;
        const rows = this.#store.read((sql) =>
          sql(
            'SELECT id, exchange, routing_key, envelope FROM broadcast WHERE id > ? ORDER BY id LIMIT 500',
          ).all(this.#last),
        );
        if (rows.length === 500) this.#readAgain = true;
        for (const { id, exchange, routing_key, envelope } of rows) {
          this.#last = Number(id);
          this.#deliver(String(exchange), String(routing_key), String(envelope));
        }
      }
    } catch {
      // The store is locked or was closed: the next notification continues.
    } finally {
      this.#reading = false;
    }
  }

  #deliver(name: string, routingKey: string, envelope: string): void {
    for (const { subscription, listener } of [...this.#listening]) {
      const { exchange, keys } = subscription;
      if (exchange.name === name && keys.some((key) => binds({ exchange, routingKey: key }, routingKey)))
        listener(decodeEnvelope(envelope), routingKey);
    }
  }
}

export class SqliteRevocations implements RevocationStore {
  readonly #store: SqliteStore;
  readonly #clock: Clock;

  constructor(store: SqliteStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async put(revocations: readonly string[], until: number): Promise<void> {
    await this.#store.write(true, ({ sql }) => {
      const upsert =
        'INSERT INTO revocation (revocation, until) VALUES (?, ?) ON CONFLICT (revocation) DO UPDATE SET until = max(until, excluded.until)';
      for (const revocation of revocations) sql(upsert).run(revocation, until);
      sql('DELETE FROM revocation WHERE until <= ?').run(this.#clock.now());
      const surplus = Number(sql('SELECT count(*) AS n FROM revocation').get()?.n ?? 0) - maxRevocations;
      if (surplus > 0)
        sql(
          'DELETE FROM revocation WHERE revocation IN (SELECT revocation FROM revocation ORDER BY until LIMIT ?)',
        ).run(surplus);
    });
  }

  async read(): Promise<readonly string[]> {
    const rows = this.#store.read((sql) =>
      sql('SELECT revocation FROM revocation WHERE until > ?').all(this.#clock.now()),
    );
    return rows.map(({ revocation }) => String(revocation));
  }
}
