// Many open one new store at the same moment, and close it: nobody is refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';

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

function next(thread: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

test('a new store is opened by many at the same moment', async () => {
  const workerData = pathToFileURL(join(root, 'dist', 'clients', 'sqlite.js')).href;
  const threads = Array.from({ length: 5 }, () => new Worker(opener, { eval: true, workerData }));
  expect(await Promise.all(threads.map(next))).toEqual(threads.map(() => 'ready'));
  for (let round = 0; round < 40; round++) {
    const answers = threads.map(next);
    for (const thread of threads) thread.postMessage(join(folder, `${round}.db`));
    expect(await Promise.all(answers)).toEqual(threads.map(() => 'fine'));
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
}, 60_000);
