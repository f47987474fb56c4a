// The processes that share a SQLite store: who they are, how to wake them, and who has died.
import { type Clock, systemClock } from '../../../lib/clock.ts';
import type { SqliteStore, Transaction } from '../sqlite.ts';
import { HeartbeatFile, lastBeat } from './heartbeat-file.ts';
import { Notifier, probe, removeSocket, WakeupSocket, watchLiveness } from './notifier.ts';

/** The versions of the store's table of peers. */
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

/** What a user of the store wants to hear. What becomes of a dead peer's belongings is a trigger on the table `peer`. */
interface PeerListener {
  /** Another process sent a line of text, whose meaning the two agree on. */
  onNotified?(text: string): void;
  /** In the transaction in which a dead peer was evicted. */
  onPeerEvicted?(transaction: Transaction): void;
  /** This process was evicted by another, which took it for dead: what it held is lost. It goes on under a new id. */
  onEvicted?(): void;
}

interface Peer {
  readonly id: number;
  readonly address: string;
  readonly lease_ms: number | null;
}

/**
 * This process among the peers of a store. Death is known in three ways: the kernel closes the connection of the
 * peer that watches it (at once); nobody answers at its socket (at the next sweep); its heartbeat file has not changed for the
 * length of its lease by the watcher's own clock (a stopped process). No two processes' clocks are compared.
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

  /** Hears what happens; returns the function that ends it. */
  listen(listener: PeerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This process's id among the peers, under which it can be notified. Joins on first use. */
  id(): Promise<number> {
    this.#id ??= this.#tryJoin();
    return this.#id;
  }

  /** Joins as an owner of leases: the heartbeat begins, and the sweep for dead peers. The shortest lease asked for counts. */
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

  /** Whether this id still counts, asked inside a transaction: only then may it take something. */
  isListed({ sql, memo }: Transaction, id: number): boolean {
    const key = `peer ${id}`;
    let listed = memo.get(key);
    if (listed === undefined) {
      listed = sql('SELECT 1 FROM peer WHERE id = ?').get(id) !== undefined;
      memo.set(key, listed);
    }
    return listed === true;
  }

  /** Notifies a peer when the transaction is committed. A peer that is gone is evicted. */
  notifyOnCommit(transaction: Transaction, id: number, text: string): void {
    transaction.onCommit(`notify ${id} ${text}`, () => void this.#notify(id, text).catch(() => {}));
  }

  /** Looks for dead peers and evicts them; runs by itself, too. */
  sweep(): Promise<void> {
    this.#sweepAgain = true;
    this.#sweeping ??= this.#sweepUntilDone().finally(() => {
      this.#sweeping = null;
    });
    return this.#sweeping;
  }

  /** Leaves. What this process still holds is treated as a dead peer's. */
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

  /** A store that is locked now, or full, does not keep us out for good: the next one who asks for the id tries again. */
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
      // A store that is full or locked now is tried again at the next sweep.
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

  /** Each owner of leases watches the next in the ring, so that a death is seen at once and by few. */
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
    // One that was only stopped may go on, under a new id and with its old socket.
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
