/** `*` stands for any text, as in Celery; every other character for itself. The time is at most proportional to the product of both lengths. */
export function globMatcher(glob: string): { test(text: string): boolean } {
  const [first = '', ...others] = glob.split(/\*+/);
  const last = others.pop();
  return {
    test(text) {
      if (last === undefined) return text === first;
      if (!text.startsWith(first)) return false;
      // Each part between two stars is matched at its first occurrence, which leaves the most text to the parts after it.
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
