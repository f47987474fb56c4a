// Empty stores of each driver, and how a worker dies there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/lib/clock.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import { openMemoryBackend } from '../../src/stores/memory/memory-backend.ts';
import { MemoryConsumer, openMemoryTransport } from '../../src/stores/memory/memory-transport.ts';
import { SqliteStore } from '../../src/stores/sqlite/sqlite.ts';
import { openSqliteBackend } from '../../src/stores/sqlite/sqlite-backend.ts';
import { openSqliteTransport } from '../../src/stores/sqlite/sqlite-transport.ts';
import type { Consumer, Transport } from '../../src/stores/transport.ts';

export interface BackendOptions {
  readonly expiresMs: number | null;
  readonly clock?: Clock;
}

/** A store that is empty at first. */
export interface Store {
  /** A handle of its own, as another process would have, where the driver knows such a thing. */
  openTransport(options?: { readonly clock?: Clock }): Promise<Transport>;
  openBackend(options: BackendOptions): Promise<ResultBackend>;
  /** A backend whose writes travel with this transport's settlements. */
  openBackendOf(transport: Transport, options: BackendOptions): Promise<ResultBackend>;
  putRaw(queue: string, raw: Uint8Array): Promise<void>;
  /** The consumer and what else of its handle holds messages dies without a word. */
  kill(consumer: Consumer, handle: Transport): Promise<void>;
  remove(): Promise<void>;
}

let stores = 0;

export function memoryStore(): Store {
  const name = `conformance-${++stores}`;
  return {
    openTransport: async (options) => openMemoryTransport(name, options),
    openBackend: async (options) => openMemoryBackend(name, options),
    openBackendOf: async (_, options) => openMemoryBackend(name, options),
    async putRaw(queue, raw) {
      await using transport = openMemoryTransport(name);
      transport.putRaw(queue, raw);
    },
    async kill(consumer) {
      if (!(consumer instanceof MemoryConsumer)) throw new TypeError('not a consumer of this driver');
      consumer.die();
    },
    async remove() {},
  };
}

export function sqliteStore(): Store {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-conformance-'));
  const file = join(folder, 'store.db');
  return {
    openTransport: (options) => openSqliteTransport(file, { ...options, shared: false }),
    openBackend: (options) => openSqliteBackend(file, { ...options, shared: false }),
    openBackendOf: ({ store }, options) => openSqliteBackend(asSqlite(store), options),
    async putRaw(queue, raw) {
      const store = await SqliteStore.open(file, { shared: false });
      await store.write(true, ({ sql }) => {
        const insert = sql('INSERT INTO message (queue, priority, envelope) VALUES (?, 0, ?)');
        const seq = insert.run(queue, raw).lastInsertRowid;
        sql('INSERT INTO ready VALUES (?, 0, ?)').run(queue, seq);
      });
      await store.close();
    },
    async kill(_, { store }) {
      const { peers } = asSqlite(store);
      const id = await peers.id();
      // What whoever finds it dead does.
      await asSqlite(store).write(true, ({ sql }) => void sql('DELETE FROM peer WHERE id = ?').run(id));
    },
    remove: async () => rmSync(folder, { recursive: true }),
  };
}

function asSqlite(store: object): SqliteStore {
  if (store instanceof SqliteStore) return store;
  throw new TypeError('not a store of this driver');
}
