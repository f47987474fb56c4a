// What a fleet of both languages may do on RabbitMQ and one of TypeScript alone may not: our worker records a result, then acknowledges; if it
// dies in between, the message comes back. A worker of ours finds the result and runs nothing; Python's looks nothing up.
import type { Facts, Report } from '../../e2e/harness/checkers.ts';
import type { Entry } from '../../e2e/harness/ledger.ts';

/** The processes of each side. */
export interface Sides {
  readonly python: ReadonlySet<number>;
  readonly typescript: ReadonlySet<number>;
}

/** The report without those tasks of `finishedTwice` for which that is so, and these. */
export function setApart(
  report: Report,
  ledger: readonly Entry[],
  facts: Facts,
  sides: Sides,
): { readonly report: Report; readonly repeatedByPython: readonly string[] } {
  const repeatedByPython = report.finishedTwice.filter((id) => isRepeatedByPython(id, ledger, facts, sides));
  const finishedTwice = report.finishedTwice.filter((id) => !repeatedByPython.includes(id));
  return { report: { ...report, finishedTwice }, repeatedByPython };
}

/** Python ran it, once, after a TypeScript worker had recorded its own run's result and was killed. */
function isRepeatedByPython(id: string, ledger: readonly Entry[], facts: Facts, sides: Sides): boolean {
  const record = facts.results.get(id);
  if (record?.doneAt == null) return false;
  const { doneAt } = record;
  const starts = ledger.filter((entry) => entry.kind === 'start' && entry.id === id);
  const recorded = starts.find((entry) => entry.kind === 'start' && entry.run === record.run);
  const later = starts.filter((entry) => entry.at > doneAt);
  const [again] = later;
  if (recorded?.kind !== 'start' || again?.kind !== 'start' || later.length !== 1) return false;
  if (!sides.typescript.has(recorded.pid) || !sides.python.has(again.pid)) return false;
  return ledger.some(
    (entry) =>
      entry.kind === 'fault' &&
      entry.fault === 'kill' &&
      entry.pid === recorded.pid &&
      doneAt <= entry.until &&
      entry.at <= again.at,
  );
}
