/** `*` stands for any text, as in Celery. Everything else is itself. In time that grows with both lengths, whatever the pattern. */
export function globMatcher(glob: string): { test(text: string): boolean } {
  const [first = '', ...others] = glob.split(/\*+/);
  const last = others.pop();
  return {
    test(text) {
      if (last === undefined) return text === first;
      if (!text.startsWith(first)) return false;
      // Each part between two stars where it comes first: that leaves the most to those behind it.
      let at = first.length;
      for (const part of others) {
        const found = text.indexOf(part, at);
        if (found < 0) return false;
        at = found + part.length;
      }
      return text.length - last.length >= at && text.endsWith(last);
    },
  };
}
