// Statistics of a text. Pure: text in, numbers out.
import { stopWords } from './stop-words.ts';

export interface TextStatistics {
  readonly words: number;
  readonly sentences: number;
  readonly lines: number;
  /** The count of each word, in lower case, without stop words and words of less than three letters. */
  readonly terms: ReadonlyMap<string, number>;
}

export interface Term {
  readonly term: string;
  readonly count: number;
}

/** A word: letters and digits of any script, with apostrophes inside (`don't` is one word, `well-known` two). */
const wordPattern = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*/gu;

/** Counts the words, sentences, lines and terms of a text (plain or Markdown). */
export function textStatistics(text: string): TextStatistics {
  const terms = new Map<string, number>();
  let words = 0;
  for (const [word] of text.matchAll(wordPattern)) {
    words++;
    const term = word.toLowerCase();
    if (isTerm(term)) terms.set(term, (terms.get(term) ?? 0) + 1);
  }
  return { words, sentences: countSentences(text), lines: text.split('\n').length - 1, terms };
}

/** Adds one text's statistics to another's. */
export function merged(a: TextStatistics, b: TextStatistics): TextStatistics {
  const terms = new Map(a.terms);
  for (const [term, count] of b.terms) terms.set(term, (terms.get(term) ?? 0) + count);
  return { words: a.words + b.words, sentences: a.sentences + b.sentences, lines: a.lines + b.lines, terms };
}

export const noStatistics: TextStatistics = { words: 0, sentences: 0, lines: 0, terms: new Map() };

/** The most frequent terms first; terms with the same count in alphabetical order. */
export function topTerms(statistics: TextStatistics, limit: number): readonly Term[] {
  return [...statistics.terms]
    .map(([term, count]) => ({ term, count }))
    .sort((a, b) => b.count - a.count || (a.term < b.term ? -1 : 1))
    .slice(0, limit);
}

function isTerm(word: string): boolean {
  return word.length >= 3 && !stopWords.has(word) && !/^\p{N}+$/u.test(word);
}

const sentenceSegmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

// In wrapped prose a line end is not a sentence end, so the lines of a block are joined first. Blank lines, headings,
// list items and table rows begin a block.
function countSentences(text: string): number {
  const blocks = text.split(/\n\s*\n|\n(?=\s*(?:#{1,6} |[-*+] |\d+[.)] |\||>))/u);
  let sentences = 0;
  for (const block of blocks) {
    for (const { segment } of sentenceSegmenter.segment(block.replaceAll('\n', ' '))) {
      if (/[\p{L}\p{N}]/u.test(segment)) sentences++;
    }
  }
  return sentences;
}
