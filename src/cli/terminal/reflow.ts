// Prose that fits. Pure.

/** Of a terminal; some say that they have no columns. */
export function widthOf({ columns }: { readonly columns?: number }): number {
  return columns || 80;
}

/**
 * Folds paragraphs that are wider than `width`: what stands at the left margin is prose; what is indented (lists, examples, which people copy)
 * stays as it is.
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

/** Its words on lines of at most `width`; a longer word has one of its own. */
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
