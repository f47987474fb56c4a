import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';
import { openSqliteTransport } from '../../../src/stores/sqlite/sqlite-transport.ts';
import type { Consumer, Transport } from '../../../src/stores/transport.ts';
import { claim, claimNothing, idOf, publication } from '../../../src/testing/conformance.ts';

let folder: string;
let transport: Transport;
let store: SqliteStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'umbel-transport-'));
  transport = await openSqliteTransport(join(folder, 'store.db'));
  if (!(transport.store instanceof SqliteStore)) throw new TypeError('not over SQLite');
  store = transport.store;
});
afterEach(async () => {
  await transport.close();
  rmSync(folder, { recursive: true });
});

const newConsumer = (): Promise<Consumer> =>
  transport.consume({ queues: ['celery'], name: 'test', leaseMs: 60_000 });

/** The owner dies with all that it holds, and the process begins again under a new id. */
async function die(): Promise<void> {
  const id = await store.peers.id();
  await store.write(true, ({ sql }) => void sql('DELETE FROM peer WHERE id = ?').run(id));
  await store.peers.sweep();
}

test('a quarantined message that is given back stays one, and is counted, purged and listed like any other', async () => {
  const consumer = await newConsumer();
  await transport.publish(['a', 'b'].map((id) => publication(id)));
  for (let deaths = 0; deaths < 2; deaths++) {
    await claim(consumer, 2);
    await die();
  }
  const [quarantined] = await claim(consumer, 1);
  const until = new Date(Date.now() + 3_600_000);
  await quarantined?.settle({ kind: 'release', until });
  expect((await claim(consumer, 1)).map(idOf)).toEqual(['b']);
  expect(await transport.promote?.('celery', [until.getTime()])).toBe(1);
  expect(await claimNothing(consumer, 100)).toEqual([]);
  expect(await transport.queues()).toEqual(['celery']);
  expect(await transport.size('celery')).toEqual({ ready: 1, scheduled: 0, claimed: 1 });
  expect(await transport.purge('celery')).toBe(1);
});

test('claiming from a long queue stays cheap: nothing is scanned', async () => {
  await transport.publish(Array.from({ length: 5000 }, (_, n) => publication(`m${n}`)));
  const plan = (text: string, ...values: (string | number)[]): string =>
    store
      .read((sql) => sql(`EXPLAIN QUERY PLAN ${text}`).all(...values))
      .map(({ detail }) => String(detail))
      .join('; ');
  expect(plan('SELECT priority FROM ready WHERE queue = ? ORDER BY priority LIMIT 1', 'celery')).not.toMatch(
    /SCAN|TEMP/,
  );
  expect(
    plan(
      'SELECT seq FROM ready JOIN message USING (seq) WHERE ready.queue = ? AND ready.priority = ? ORDER BY seq LIMIT ?',
      'celery',
      0,
      10,
    ),
  ).not.toMatch(/SCAN|TEMP/);
});
