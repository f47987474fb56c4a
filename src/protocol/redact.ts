// What is in arguments and is nobody's business, as far as it can be told by its name: passwords, tokens, and those in URLs.
const named =
  /('[^']*(?:passw(?:or)?d|secret|token|api_?key|private_?key|authorization|credential)[^']*':\s*)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,}\]]+)/gi;
const inUrl = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@'"]*):([^\s@/'"]+)@/gi;

/** A Python repr without what looks like a secret. */
export function redacted(repr: string): string {
  const hasUrl = repr.includes('://');
  const hasName = repr.includes("':");
  if (!hasUrl && !hasName) return repr;
  const unnamed = hasName ? repr.replace(named, "$1'********'") : repr;
  return hasUrl ? unnamed.replace(inUrl, '$1:********@') : unnamed;
}
