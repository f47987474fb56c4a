// Queries of the language of the history, as the pages make and change them. Pure.
/** A condition of the language of the history: the field has exactly this value. Names of tasks, queues and workers may hold anything. */
export function term(field: string, value: string): string {
  return `${field}:${/^[\w.@-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`;
}

/** The state that all tasks of a query have, and the query without it. Null: there is no such term; one below NOT, OR or in parentheses is none. */
export function splitState(query: string): { readonly state: string | null; readonly rest: string } {
  const words = wordsOf(query);
  const at = words.findIndex(
    ({ text, depth }, index) => depth === 0 && /^state:\w+$/.test(text) && words[index - 1]?.text !== 'NOT',
  );
  const found = words[at];
  if (found === undefined || hasChoice(words)) return { state: null, rest: query.trim() };
  const and = [words[at + 1], words[at - 1]].find((word) => word?.text === 'AND');
  const rest = words.filter((word) => word !== found && word !== and).map(({ text }) => text);
  return { state: found.text.slice('state:'.length).toUpperCase(), rest: joined(rest) };
}

/** The query with another state; null: of any state. */
export function withState(query: string, state: string | null): string {
  const { rest } = splitState(query);
  if (state === null) return rest;
  return `state:${state.toLowerCase()} ${hasChoice(wordsOf(rest)) ? `(${rest})` : rest}`.trim();
}

function joined(words: readonly string[]): string {
  return words.reduce((query, word) => {
    const isClose = query === '' || query.endsWith('(') || word === ')';
    return `${query}${isClose ? '' : ' '}${word}`;
  }, '');
}

interface Word {
  readonly text: string;
  /** How many parentheses it stands in. */
  readonly depth: number;
}

function hasChoice(words: readonly Word[]): boolean {
  return words.some(({ text, depth }) => depth === 0 && text === 'OR');
}

function wordsOf(query: string): readonly Word[] {
  let depth = 0;
  return Array.from(query.matchAll(/[()]|(?:"(?:[^"\\]|\\.)*"?|[^\s()"])+/g), ([text]) => {
    if (text === ')') depth--;
    const word = { text, depth };
    if (text === '(') depth++;
    return word;
  });
}
