// Makes text of strangers safe to print: it must not control the terminal, nor forge lines of a log.

/** Control characters (C0, C1), characters that change the direction of text, and line breaks that only editors know. */
const steering = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\p{Cs}]/gu;
const harmless = /^[\t\x20-\x7e]*$/;
/** The styles of our own output (bold, dim, colours), none of which hides or moves text. */
const styles = new RegExp(`${String.fromCharCode(27)}\\[(?:0|1|2|22|3|23|4|24|7|27|3[1-79]|9[0-7])m`, 'g');

/** The text on one line, with escapes: `\x1b`, `\x0a`. */
export function clean(text: string): string {
  if (harmless.test(text)) return text;
  return text.replace(steering, (sign) => (sign === '\t' ? sign : escaped(sign)));
}

/** The text with escapes, except for its line breaks. */
export function cleanLines(text: string): string {
  if (harmless.test(text)) return text;
  return text
    .replaceAll('\r\n', '\n')
    .replace(steering, (sign) => (sign === '\n' || sign === '\t' ? sign : escaped(sign)));
}

/** A line of our own output, which may be styled, with text of strangers in it. */
export function cleanStyled(text: string): string {
  if (harmless.test(text)) return text;
  let cleaned = '';
  let from = 0;
  for (const { 0: style, index } of text.matchAll(styles)) {
    cleaned += cleanLines(text.slice(from, index)) + style;
    from = index + style.length;
  }
  return cleaned + cleanLines(text.slice(from));
}

/** JSON of the same value, in which the control characters that JSON allows unescaped are escaped. */
export function cleanJson(json: string): string {
  return json.replace(steering, (sign) =>
    sign === '\n' ? sign : `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A line of JSON whose texts another program will print unchanged: each is made safe by {@link cleanLines}. */
export function cleanTexts(json: string): string {
  return json.replace(escapes, (found, code: string | undefined) => {
    if (found === '\n') return found;
    if (code === undefined && found.startsWith('\\')) return shortEscapes[found] ?? found;
    const sign = code === undefined ? found : String.fromCharCode(Number.parseInt(code, 16));
    if (code !== undefined && (sign === '\n' || sign === '\t' || cleanLines(sign) === sign)) return found;
    return `\\${escaped(sign)}`;
  });
}

/** JSON's escapes, and characters that stand there unescaped. */
const escapes = new RegExp(String.raw`\\u([\da-f]{4})|\\r\\n|\\[^u]|${steering.source}`, 'giu');
const shortEscapes: Readonly<Record<string, string>> = {
  '\\b': String.raw`\\x08`,
  '\\f': String.raw`\\x0c`,
  '\\r': String.raw`\\x0d`,
  '\\r\\n': '\\n',
};

function escaped(sign: string): string {
  const code = sign.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
