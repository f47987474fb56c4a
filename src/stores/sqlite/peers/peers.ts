// The processes that share a SQLite store: membership, notifications, and eviction of dead processes.
import { type Clock, systemClock } from '../../../lib/clock.ts';
import type { SqliteStore, Transaction } from '../sqlite.ts';
import { HeartbeatFile, lastBeat } from './heartbeat-file.ts';
import { Notifier, probe, removeSocket, WakeupSocket, watchLiveness } from './notifier.ts';

/** The migrations of the table of peers. */
export const peerSchema: readonly string[] = [
  `CREATE TABLE peer (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: it is the fence of what its owner holds
  address TEXT NOT NULL,                 -- of its socket
  pid INTEGER NOT NULL,
  name TEXT NOT NULL,
  lease_ms INTEGER,                      -- null: holds no leases, only waits for news
  joined_at INTEGER NOT NULL
  )`,
];

/** Callbacks for a user of the store. Triggers on the table `peer` release the rows of a dead peer. */
interface PeerListener {
  /** Another process sent a line of text. Its users define what it means. */
  onNotified?(text: string): void;
  /** Called in the transaction that evicted a dead peer. */
  onPeerEvicted?(transaction: Transaction): void;
  /** Another process took this one for dead and evicted it: it has lost its leases, and continues under a new id. */
  onEvicted?(): void;
}

interface Peer {
  readonly id: number;
  readonly address: string;
  readonly lease_ms: number | null;
}

/**
 * This process among the peers of a store. A death is detected in three ways: the kernel closes the connection of the peer that watches the
 * process (at once); its socket refuses connections (at the next sweep); its heartbeat file has not changed for the length of its lease, by the
 * clock of the process that checks it (a stopped process). Clocks of different processes are never compared.
 */
export class Peers {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #listeners = new Set<PeerListener>();
  readonly #notifier = new Notifier();
  readonly #beats = new Map<number, { readonly beat: number | null; readonly since: number }>();
  #socket: Promise<WakeupSocket> | null = null;
  #id: Promise<number> | null = null;
  #heartbeatFile: HeartbeatFile | null = null;
  #leaseMs: number | null = null;
  #name = '';
  #sweeping: Promise<void> | null = null;
  #sweepAgain = false;
  #sweeper: NodeJS.Timeout | null = null;
  #watched: { readonly id: number; readonly end: () => void } | null = null;
  #closed = false;

  constructor(store: SqliteStore, clock: Clock = systemClock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Adds a listener; returns the function that removes it. */
  listen(listener: PeerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This process's id among the peers, for notifications. Joins the store on first use. */
  id(): Promise<number> {
    this.#id ??= this.#tryJoin();
    return this.#id;
  }

  /** Joins as an owner of leases: starts the heartbeat, and the sweep for dead peers. Of several calls the shortest lease counts. */
  async own(leaseMs: number, name: string): Promise<void> {
    const id = await this.id();
    if (this.#leaseMs !== null && this.#leaseMs <= leaseMs) return;
    this.#leaseMs = leaseMs;
    this.#name = name;
    await this.#heartbeatFile?.stop();
    this.#heartbeatFile = new HeartbeatFile((await this.#socket)?.address ?? '', leaseMs / 5);
    await this.#store.write(false, ({ sql }) =>
      sql('UPDATE peer SET lease_ms = ?, name = ? WHERE id = ?').run(leaseMs, name, id),
    );
    clearInterval(this.#sweeper ?? undefined);
    this.#sweeper = setInterval(() => void this.sweep(), leaseMs / 5).unref();
    await this.sweep();
  }

  /** Whether this id is still a peer, in this transaction. Only then may its owner claim rows. */
  isListed({ sql, memo }: Transaction, id: number): boolean {
    const key = `peer ${id}`;
    let listed = memo.get(key);
    if (listed === undefined) {
      listed = sql('SELECT 1 FROM peer WHERE id = ?').get(id) !== undefined;
      memo.set(key, listed);
    }
    return listed === true;
  }

  /** Notifies a peer after the commit of the transaction. A dead peer is evicted. */
  notifyOnCommit(transaction: Transaction, id: number, text: string): void {
    transaction.onCommit(`notify ${id} ${text}`, () => void this.#notify(id, text).catch(() => {}));
  }

  /** Finds dead peers and evicts them. Owners of leases also run it by timer. */
  sweep(): Promise<void> {
    this.#sweepAgain = true;
    this.#sweeping ??= this.#sweepUntilDone().finally(() => {
      this.#sweeping = null;
    });
    return this.#sweeping;
  }

  /** Leaves the store. The leases that this process still holds are released like those of a dead peer. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweeper ?? undefined);
    this.#watched?.end();
    await this.#sweeping;
    await this.#heartbeatFile?.stop();
    if (this.#id !== null) {
      const id = await this.#id;
      await this.#store.write(false, (transaction) => this.#evict(transaction, id)).catch(() => {});
    }
    await this.#notifier.close();
    await (await this.#socket)?.close();
  }

  /** If joining fails, since the store is locked or full, the next call of `id` tries again. */
  #tryJoin(): Promise<number> {
    const joining = this.#join().catch((error: unknown) => {
      if (this.#id === joining) this.#id = null;
      throw error;
    });
    return joining;
  }

  async #join(): Promise<number> {
    this.#socket ??= WakeupSocket.open(this.#store.path, (text) => this.#onNotified(text)).catch(
      (error: unknown) => {
        this.#socket = null;
        throw error;
      },
    );
    const { address } = await this.#socket;
    return this.#store.write(false, ({ sql }) => {
      const row = [address, process.pid, this.#name, this.#leaseMs, this.#clock.now()];
      const insert = 'INSERT INTO peer (address, pid, name, lease_ms, joined_at) VALUES (?, ?, ?, ?, ?)';
      return Number(sql(insert).run(...row).lastInsertRowid);
    });
  }

  #onNotified(text: string): void {
    for (const listener of this.#listeners) listener.onNotified?.(text);
  }

  async #notify(id: number, text: string): Promise<void> {
    if (this.#id !== null && (await this.#id) === id) return this.#onNotified(text);
    if (this.#closed) return;
    const peer = this.#all().find((each) => each.id === id);
    if (peer !== undefined && (await this.#notifier.notify(peer.address, text)) === 'gone')
      await this.#evictDead(peer, true);
  }

  async #sweepUntilDone(): Promise<void> {
    while (this.#sweepAgain && !this.#closed) {
      this.#sweepAgain = false;
      // If the store is full or locked, the next sweep tries again.
      await this.#sweep().catch(() => {});
    }
  }

  async #sweep(): Promise<void> {
    if (this.#id === null) return;
    const id = await this.#id;
    const peers = this.#all();
    if (!peers.some((peer) => peer.id === id)) {
      this.#id = this.#tryJoin();
      for (const listener of this.#listeners) listener.onEvicted?.();
      await this.#id;
      return;
    }
    for (const peer of peers) {
      if (peer.id === id || this.#closed) continue;
      const gone = (await probe(peer.address)) === 'gone';
      if (gone || this.#heartbeatStopped(peer)) await this.#evictDead(peer, gone);
    }
    this.#watchNext(id);
  }

  #heartbeatStopped(peer: Peer): boolean {
    const beat = lastBeat(peer.address);
    if (peer.lease_ms === null || beat === null) return false;
    const seen = this.#beats.get(peer.id);
    const now = this.#clock.monotonic();
    if (seen === undefined || seen.beat !== beat) {
      this.#beats.set(peer.id, { beat, since: now });
      return false;
    }
    return now - seen.since > peer.lease_ms;
  }

  /** Each owner of leases watches the next in a ring, so that one process notices a death at once, and not all of them. */
  #watchNext(id: number): void {
    const others = this.#all().filter((peer) => peer.id !== id && peer.lease_ms !== null);
    const next = others.find((peer) => peer.id > id) ?? others[0];
    if (this.#leaseMs === null || next?.id === this.#watched?.id || this.#closed) return;
    this.#watched?.end();
    this.#watched = null;
    if (next === undefined) return;
    const end = watchLiveness(next.address, () => {
      this.#watched = null;
      void this.sweep();
    });
    this.#watched = { id: next.id, end };
  }

  async #evictDead(peer: Peer, gone: boolean): Promise<void> {
    this.#beats.delete(peer.id);
    await this.#store.write(false, (transaction) => this.#evict(transaction, peer.id));
    // A process that was only stopped may continue, under a new id and with its old socket.
    if (gone) removeSocket(peer.address);
  }

  #evict(transaction: Transaction, id: number): void {
    const { changes } = transaction.sql('DELETE FROM peer WHERE id = ?').run(id);
    if (Number(changes) > 0) for (const listener of this.#listeners) listener.onPeerEvicted?.(transaction);
  }

  #all(): Peer[] {
    return this.#store.read((sql) => sql('SELECT id, address, lease_ms FROM peer ORDER BY id').all<Peer>());
  }
}
