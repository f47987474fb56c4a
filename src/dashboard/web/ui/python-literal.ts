// Parses Python's repr() of plain values: (1, 'a', {'b': None}). It never evaluates code.

/** Null: the text is not a plain value, or was cut. */
export function readPython(text: string): { readonly value: unknown } | null {
  try {
    const reader = new Reader(text);
    const value = reader.value();
    reader.end();
    return { value };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** The value of the whole text. Null: the text is no plain value, was cut or has a hidden secret, or JavaScript has no such number. */
export function readWholePython(text: string | null): unknown {
  if (text === null || /\.\.\.|\*{3}|\d{16}/.test(text)) return null;
  return readPython(text)?.value ?? null;
}

const words: Readonly<Record<string, unknown>> = {
  None: null,
  True: true,
  False: false,
  null: null,
  true: true,
  false: false,
};
const deepest = 100;

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): unknown {
    this.#space();
    const char = this.#text[this.#at] ?? '';
    if (++this.#depth > deepest) throw new SyntaxError('too deep');
    try {
      if (char === '(') return this.#list(')');
      if (char === '[') return this.#list(']');
      if (char === '{') return this.#map();
      if (char === "'" || char === '"') return this.#string(char);
      return this.#word();
    } finally {
      this.#depth--;
    }
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw new SyntaxError('more follows');
  }

  #list(close: string): unknown[] {
    this.#at++;
    const items: unknown[] = [];
    for (;;) {
      if (this.#take(close)) return items;
      items.push(this.value());
      if (!this.#take(',')) {
        if (this.#take(close)) return items;
        throw new SyntaxError('no end of a list');
      }
    }
  }

  #map(): Record<string, unknown> {
    this.#at++;
    const entries: [string, unknown][] = [];
    for (;;) {
      if (this.#take('}')) return Object.fromEntries(entries);
      const key = this.value();
      if (!this.#take(':')) throw new SyntaxError('a set, or cut');
      entries.push([typeof key === 'string' ? key : JSON.stringify(key), this.value()]);
      if (!this.#take(',')) {
        if (this.#take('}')) return Object.fromEntries(entries);
        throw new SyntaxError('no end of a dict');
      }
    }
  }

  #string(quote: string): string {
    let made = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] ?? '';
      if (char === quote) {
        this.#at++;
        return made;
      }
      made += char === '\\' ? this.#escape() : char;
    }
    throw new SyntaxError('no end of a string');
  }

  #escape(): string {
    const char = this.#text[++this.#at] ?? '';
    const length = { x: 2, u: 4, U: 8 }[char];
    if (length !== undefined) {
      const code = Number.parseInt(this.#text.slice(this.#at + 1, this.#at + 1 + length), 16);
      if (Number.isNaN(code) || code > 0x10ffff) throw new SyntaxError('no character');
      this.#at += length;
      return String.fromCodePoint(code);
    }
    return { n: '\n', t: '\t', r: '\r' }[char] ?? char;
  }

  #word(): unknown {
    const [word = ''] = /^[-+\w.]+/.exec(this.#text.slice(this.#at)) ?? [];
    this.#at += word.length;
    if (Object.hasOwn(words, word)) return words[word];
    // An integer that JavaScript cannot represent stays text.
    if (/^-?\d+$/.test(word)) return Number.isSafeInteger(Number(word)) ? Number(word) : word;
    if (/^-?(?:\d+\.\d*|\d*\.\d+|\d+)(?:[eE][-+]?\d+)?$/.test(word)) return Number(word);
    throw new SyntaxError('no plain value');
  }

  #take(char: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }
}
