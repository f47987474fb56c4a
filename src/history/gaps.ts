// The times in which no recorder listened.

interface Span {
  readonly from: number;
  readonly until: number;
}

/** Shorter gaps, milliseconds, are not reported: a span ends with the recorder's last write, which is a little before its real end. */
export const shortestGap = 1_000;

/** The gaps between the first span and the last, in order. `shortest`: gaps of this length or less, milliseconds, are left out. */
export function gapsBetween(spans: readonly Span[], shortest: number): readonly Span[] {
  const gaps: Span[] = [];
  let end = Number.POSITIVE_INFINITY;
  for (const { from, until } of [...spans].sort((a, b) => a.from - b.from)) {
    if (from - end > shortest) gaps.push({ from: end, until: from });
    end = end === Number.POSITIVE_INFINITY ? until : Math.max(end, until);
  }
  return gaps;
}
