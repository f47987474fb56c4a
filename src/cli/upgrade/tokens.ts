// The tokens of Python source text. Pure.

export interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'sign';
  readonly text: string;
  /** The content of a string; null: Python would have to compute it (f-strings). */
  readonly value?: string | null;
  readonly at: number;
}

const tokenPattern =
  /\s+|#[^\n]*|\\\n|(?<prefix>[rRbBuUfF]{0,2})(?<quote>"""|'''|"|')|(?<number>(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[\p{L}_][\p{L}\p{N}_]*)|(?<sign>\*\*|\/\/|[-+*/%=:,.()[\]{}@<>!|&^~;]=?)/suy;

/** The tokens; null: the text cannot be read. */
export function tokensOf(source: string): readonly Token[] | null {
  const tokens: Token[] = [];
  let at = 0;
  while (at < source.length) {
    tokenPattern.lastIndex = at;
    const match = tokenPattern.exec(source);
    if (match === null) return null;
    const { quote, prefix = '', number, name, sign } = match.groups ?? {};
    const start = at;
    at = tokenPattern.lastIndex;
    if (quote !== undefined) {
      const end = endOfString(source, at, quote, /r/i.test(prefix));
      if (end === null) return null;
      const inside = source.slice(at, end);
      const value =
        /f/i.test(prefix) && /[{}]/.test(inside) ? null : /r/i.test(prefix) ? inside : unescaped(inside);
      at = end + quote.length;
      tokens.push({ kind: 'string', text: source.slice(start, at), value, at: start });
    } else if (number !== undefined) tokens.push({ kind: 'number', text: number, at: start });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at: start });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at: start });
  }
  return tokens;
}

function endOfString(source: string, from: number, quote: string, raw: boolean): number | null {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source.startsWith(quote, at)) return at;
    else if (quote.length === 1 && source[at] === '\n' && !raw) return null;
  }
  return null;
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, sign: string) => escapes[sign] ?? all);
}
