// Counts the words of many files: one task per file, and one for all results together.
import { readFile } from 'node:fs/promises';
import { App } from 'umbel';

export const app: App = new App('map-reduce');

/** How often each word occurs. */
export type Counts = Readonly<Record<string, number>>;

export const countWords = app.task('words.count', async (file: string): Promise<Counts> => {
  const counts: Record<string, number> = {};
  const text = await readFile(file, 'utf8');
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
});

export const merge = app.task('words.merge', (all: readonly Counts[]): Counts => {
  const merged: Record<string, number> = {};
  for (const counts of all)
    for (const [word, count] of Object.entries(counts)) merged[word] = (merged[word] ?? 0) + count;
  return merged;
});

export const mostFrequent = app.task(
  'words.most_frequent',
  (counts: Counts, limit: number): [string, number][] =>
    Object.entries(counts)
      .sort(([wordA, a], [wordB, b]) => b - a || (wordA < wordB ? -1 : 1))
      .slice(0, limit),
);
