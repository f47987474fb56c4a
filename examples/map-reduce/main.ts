// Map and reduce over the files of a folder: `npx tsx examples/map-reduce/main.ts docs`
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AsyncResult, chain, chord, group } from 'umbel';
import { app, countWords, merge, mostFrequent } from './app.ts';

/** Yields the files of a folder as it finds them: a million of them are never in memory together. */
async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (/\.(?:md|txt)$/.test(entry.name)) yield path;
  }
}

async function* counts(folder: string) {
  for await (const file of filesIn(folder)) yield countWords.s(file);
}

/** Sends a task for each file while it finds the files, and gathers their results. */
export function wordsOf(folder: string, limit: number): Promise<AsyncResult<[string, number][]>> {
  return chord(group(counts(folder)), chain(merge.s(), mostFrequent.s(limit))).delay();
}

if (process.argv[1] === import.meta.filename) {
  const [, , folder = 'docs'] = process.argv;
  const result = await wordsOf(folder, 10);
  for (const [word, count] of await result.get({ timeout: 60 })) console.log(`${count}\t${word}`);
  await app.close();
}
