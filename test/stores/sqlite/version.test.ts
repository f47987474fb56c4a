import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '../../../src/stores/sqlite/sqlite.ts';
import { storeVersion } from '../../../src/stores/store-version.ts';

test('a store of an older or a newer version is refused with the way out, and its own version opens', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-version-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'store.db');
  for (const [found, wayOut] of [
    [0, /let the Umbel that wrote it finish what it holds, then name another file/],
    [storeVersion + 1, /update this Umbel, or name another file/],
  ] as const) {
    const store = await SqliteStore.open(file);
    await store.write(true, ({ exec }) => exec(`PRAGMA user_version=${found}`));
    await store.close();
    const error = await SqliteStore.open(file).catch((refusal: unknown) => refusal);
    expect(error).toMatchObject({ code: 'UMBEL_STORE_VERSION', found, known: storeVersion });
    expect(String(error)).toMatch(wayOut);
    rmSync(file);
  }
});
