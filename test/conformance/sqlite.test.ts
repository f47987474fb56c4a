import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { SqliteStore } from '../../src/clients/sqlite.ts';
import { openSqliteBackend } from '../../src/results/sqlite/sqlite-backend.ts';
import { backendConformance } from '../../src/testing/backend-suite.ts';
import { transportConformance } from '../../src/testing/transport-suite.ts';
import { openSqliteTransport } from '../../src/transports/sqlite/sqlite-transport.ts';
import type { Consumer, Transport, TransportFeatures } from '../../src/transports/transport.ts';
import { cases, Opened } from './run.ts';

const features: TransportFeatures = {
  priority: true,
  multiProcess: true,
  durable: true,
  atomicSettlement: true,
  leaseExpires: true,
};

function emptyStore(): { readonly file: string; readonly cleanUp: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-conformance-'));
  return { file: join(folder, 'store.db'), cleanUp: async () => rmSync(folder, { recursive: true }) };
}

describe('sqlite transport', () => {
  cases(transportConformance, features, () => {
    const opened = new Opened();
    const { file, cleanUp } = emptyStore();
    const owners = new Map<Consumer, Transport>();
    return {
      opened,
      cleanUp,
      harness: {
        open: async () => {
          // A handle of its own for each: what another process would have.
          const transport = opened.add(await openSqliteTransport(file, { shared: false }));
          const consume = transport.consume.bind(transport);
          transport.consume = async (options) => {
            const consumer = await consume(options);
            owners.set(consumer, transport);
            return consumer;
          };
          return transport;
        },
        openBackend: async ({ store }, options) => {
          if (!(store instanceof SqliteStore)) throw new TypeError('not a transport of this driver');
          return opened.add(await openSqliteBackend(store, options));
        },
        putRaw: async (queue, raw) => {
          const store = await SqliteStore.open(file, { shared: false });
          await store.write(true, ({ sql }) => {
            const seq = sql('INSERT INTO message (queue, priority, envelope) VALUES (?, 0, ?)').run(
              queue,
              raw,
            ).lastInsertRowid;
            sql('INSERT INTO ready VALUES (?, 0, ?)').run(queue, seq);
          });
          await store.close();
        },
        kill: async (consumer) => {
          const store = owners.get(consumer)?.store;
          if (!(store instanceof SqliteStore)) throw new TypeError('not a consumer of this driver');
          const id = await store.peers.id();
          // What whoever finds it dead does.
          await store.write(true, ({ sql }) => void sql('DELETE FROM peer WHERE id = ?').run(id));
        },
      },
    };
  });
});

describe('sqlite result backend', () => {
  cases(backendConformance, { multiProcess: true, remembersSent: true }, () => {
    const opened = new Opened();
    const { file, cleanUp } = emptyStore();
    const open = async (options: { readonly expiresMs: number | null }) =>
      opened.add(await openSqliteBackend(file, { ...options, shared: false }));
    return { opened, cleanUp, harness: { open } };
  });
});
