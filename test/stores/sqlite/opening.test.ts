// Many open one new store at the same moment, and close it: nobody is refused.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { root } from '../../e2e/harness/built.ts';
import { scaled } from '../../run/scale.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbel-opening-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Told a file, it opens and closes it, and answers with what went wrong. */
const opener = `
const { parentPort, workerData } = require('node:worker_threads');
const ready = import(workerData).then(({ SqliteStore }) => {
  parentPort.on('message', async (file) => {
    const said = await SqliteStore.open(file, { shared: false })
      .then((store) => store.close())
      .then(() => 'fine', (error) => String(error));
    parentPort.postMessage(said);
  });
  parentPort.postMessage('ready');
});`;

async function next(thread: Worker): Promise<string> {
  const [said] = await once(thread, 'message');
  return said;
}

test('a new store is opened by many at the same moment', async () => {
  const workerData = pathToFileURL(join(root, 'build', 'src', 'stores', 'sqlite', 'sqlite.js')).href;
  const threads = Array.from({ length: 5 }, () => new Worker(opener, { eval: true, workerData }));
  expect(await Promise.all(threads.map(next))).toEqual(threads.map(() => 'ready'));
  for (let round = 0; round < scaled(15, 100); round++) {
    const answers = threads.map(next);
    for (const thread of threads) thread.postMessage(join(folder, `${round}.db`));
    expect(await Promise.all(answers)).toEqual(threads.map(() => 'fine'));
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
});
