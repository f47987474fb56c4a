// Text statistics as tasks. Worker: `npx umbel -A examples/text-statistics/app.ts worker`
import { appendFile, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { App } from 'umbel';
import { z } from 'zod';
import { documentsOf, readUnreliably } from './documents.ts';
import { merged, noStatistics, type Term, textStatistics, topTerms } from './statistics.ts';

export const app: App = new App('text-statistics');

export interface FolderStatistics {
  readonly folder: string;
  readonly files: number;
  readonly words: number;
  readonly sentences: number;
  readonly lines: number;
  readonly topTerms: readonly Term[];
}

/** A keyword task: its schema becomes a form in the API's docs, and a wrong call is refused before it is sent. */
export const folderStatistics = app.task(
  'text.folder_statistics',
  {
    bind: true,
    description:
      'Counts words and sentences in the .md and .txt files of a folder, and finds its most frequent terms.',
    input: z.object({
      folder: z.string().min(1).default('docs').describe('A folder, relative to where the worker runs.'),
      top: z.number().int().min(1).max(100).default(10).describe('How many terms to name.'),
    }),
  },
  async (task, { folder, top }): Promise<FolderStatistics> => {
    const files = await documentsOf(folder);
    let total = noStatistics;
    for (const [index, file] of files.entries()) {
      task.signal.throwIfAborted();
      total = merged(total, textStatistics(await readFile(file, 'utf8')));
      await task.updateState('PROGRESS', { done: index + 1, total: files.length, file });
    }
    const { words, sentences, lines } = total;
    return { folder, files: files.length, words, sentences, lines, topTerms: topTerms(total, top) };
  },
);

/** A task that retries: its source is down for the first `outages` attempts. */
export const documentStatistics = app.task(
  'text.document_statistics',
  {
    bind: true,
    maxRetries: 5,
    description: 'Counts words and sentences of one file, read from a source that is down at first.',
    input: z.object({
      file: z.string().min(1).describe('A text file, relative to where the worker runs.'),
      outages: z.number().int().min(0).max(10).default(1).describe('How many attempts find the source down.'),
    }),
  },
  async (task, { file, outages }) => {
    const attempt = task.request.retries + 1;
    const text = await readUnreliably(file, attempt, outages).catch((error: unknown) => {
      if (attempt > outages) throw error; // really not there: asking again will not help
      throw task.retry(error, { countdown: 0.2 * attempt });
    });
    const { words, sentences, lines } = textStatistics(text);
    return { file, words, sentences, lines, attempts: attempt };
  },
);

/** A positional task: `umbel call text.word_count -a '["to be or not to be"]'`. */
export const wordCount = app.task('text.word_count', (text: string) => textStatistics(text).words);

export const frequentTerms = app.task('text.frequent_terms', (text: string, limit: number = 10) =>
  topTerms(textStatistics(text), limit),
);

/** The file that counts the heartbeats: one byte each, because an append is atomic even with several workers. */
const heartbeatFile = '.umbel/heartbeats';

/** Counts its runs; the count survives restarts. */
export const heartbeat = app.task('maintenance.heartbeat', { bind: true }, async (task) => {
  await mkdir(dirname(heartbeatFile), { recursive: true });
  await appendFile(heartbeatFile, '.');
  const count = (await stat(heartbeatFile)).size;
  task.logger.info({ count, task_id: task.request.id }, 'heartbeat');
  return count;
});
