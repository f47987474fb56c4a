// When nobody listened.

interface Span {
  readonly from: number;
  readonly until: number;
}

/** The times between the first and the last in which there is none of these spans. `shortest`: what is as short is none. */
export function gapsBetween(spans: readonly Span[], shortest: number): readonly Span[] {
  const gaps: Span[] = [];
  let end = Number.POSITIVE_INFINITY;
  for (const { from, until } of [...spans].sort((a, b) => a.from - b.from)) {
    if (from - end > shortest) gaps.push({ from: end, until: from });
    end = end === Number.POSITIVE_INFINITY ? until : Math.max(end, until);
  }
  return gaps;
}
