// Sends one job to the worker and shows its progress and result:
//   npx tsx examples/text-statistics/main.ts [folder]
import { app, folderStatistics } from './app.ts';

const folder = process.argv[2] ?? 'docs';
const job = await folderStatistics.delay({ folder });
console.log(`sent text.folder_statistics for '${folder}': ${job.id}`);

const result = await job.get({
  timeout: 30,
  onProgress: ({ status, result: meta }) => {
    if (status === 'PROGRESS') console.log(`  ${progressLine(meta)}`);
  },
});

const { files, words, sentences, lines } = result;
console.log(`${files} files: ${words} words in ${sentences} sentences on ${lines} lines`);
console.log(`most frequent: ${result.topTerms.map(({ term, count }) => `${term} ${count}`).join(', ')}`);
await app.close();

function progressLine(meta: unknown): string {
  const { done, total, file } = meta as { done: number; total: number; file: string }; // what the task reports
  return `${done}/${total} ${file}`;
}
