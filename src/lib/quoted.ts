// biome-ignore lint/suspicious/noControlCharactersInRegex: what JSON must escape, and surrogates that may be alone
const special = /["\\\u0000-\u001f\ud800-\udfff]/;

/** A text as JSON. Most texts have nothing to escape, and JSON.stringify makes a buffer for each. */
export function quoted(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}
