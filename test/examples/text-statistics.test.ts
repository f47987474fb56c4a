// The numbers of the demo, counted again by other means.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { documentsOf } from '../../examples/text-statistics/documents.ts';
import { merged, noStatistics, textStatistics, topTerms } from '../../examples/text-statistics/statistics.ts';
import { stopWords } from '../../examples/text-statistics/stop-words.ts';
import { root } from '../e2e/harness/built.ts';

const texts = join(root, 'test/examples/texts');

async function statisticsOf(folder: string) {
  const files = await documentsOf(folder);
  const statistics = files
    .map((file) => textStatistics(readFileSync(file, 'utf8')))
    .reduce(merged, noStatistics);
  return { files, statistics };
}

test('a small folder has the numbers that a person counts', async () => {
  const { files, statistics } = await statisticsOf(texts);
  expect(files.map((file) => file.slice(texts.length + 1))).toEqual([
    'deeper/list.md',
    'poem.txt',
    'prose.md',
  ]);
  expect(statistics).toMatchObject({ words: 58, sentences: 14, lines: 18 });
  expect(topTerms(statistics, 3)).toEqual([
    { term: 'rose', count: 5 },
    { term: 'umbel', count: 3 },
    { term: 'flower', count: 2 },
  ]);
});

test.each([
  ['the texts of the tests', texts],
  ["the project's own docs", join(root, 'docs')],
])('grep, sort and wc count the same words, lines and terms in %s', async (_, folder) => {
  const { files, statistics } = await statisticsOf(folder);
  expect(files.length).toBeGreaterThan(0);
  const shell = (command: string, ...args: string[]): string =>
    execFileSync('bash', ['--norc', '-c', command, 'bash', ...args], {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
      encoding: 'utf8',
    });

  const words = String.raw`grep -ohP "[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*" "$@"`;
  expect(statistics.words).toBe(Number(shell(`${words} | wc -l`, ...files)));
  expect(statistics.lines).toBe(Number(shell('cat "$@" | wc -l', ...files)));

  const counted = shell(String.raw`${words} | sed 's/.*/\L&/' | sort | uniq -c`, ...files)
    .trim()
    .split('\n')
    .map((line) => line.trim().split(' '))
    .map(([count, term]) => ({ term: term ?? '', count: Number(count) }))
    .filter(({ term }) => term.length > 2 && !/^\p{N}+$/u.test(term) && !stopWords.has(term))
    .sort((a, b) => b.count - a.count || (a.term < b.term ? -1 : 1));
  expect(topTerms(statistics, 20)).toEqual(counted.slice(0, 20));
});

test('texts of other scripts have words, too', () => {
  expect(textStatistics('Привет, мир! Как дела?')).toMatchObject({ words: 4, sentences: 2 });
  expect(textStatistics('L’été n’est pas fini.').words).toBe(4);
  expect(textStatistics('')).toMatchObject({ words: 0, sentences: 0, lines: 0 });
});
