// Folds text to the width of a terminal. Pure.

/** The width of a terminal. Some terminals report no columns. */
export function widthOf({ columns }: { readonly columns?: number }): number {
  return columns || 80;
}

/**
 * Folds paragraphs that are wider than `width`. Lines at the left margin are prose; indented lines (lists, examples that people copy) stay as
 * they are.
 */
export function reflowed(text: string, width: number): string {
  const out: string[] = [];
  let prose: string[] = [];
  const flush = (): void => {
    out.push(...(prose.some((line) => line.length > width) ? folded(prose.join(' '), width) : prose));
    prose = [];
  };
  for (const line of text.split('\n')) {
    if (line !== '' && !line.startsWith(' ')) prose.push(line);
    else {
      flush();
      out.push(line);
    }
  }
  flush();
  return out.join('\n');
}

/** The words of a text on lines of at most `width` characters. A longer word gets its own line. */
export function folded(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
