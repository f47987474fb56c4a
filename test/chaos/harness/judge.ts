// What a trial of chaos comes to: the checkers of the other proofs, and those of tasks that are meant to be refused or revoked.
import { type Counts, check, count, type Facts, type Report } from '../../e2e/harness/checkers.ts';
import type { Entry } from '../../e2e/harness/ledger.ts';

export interface Judged {
  readonly report: Report;
  readonly counts: Counts;
  /** What is wrong, in words; nothing is good. */
  readonly wrong: readonly string[];
  readonly ledger: readonly Entry[];
  readonly facts: Facts;
  /** Begun again though the task had not asked for it. */
  readonly repeats: number;
}

export interface JudgeLimits {
  /** Tasks that one worker runs at a time. */
  readonly slots: number;
  /** What is too late, milliseconds. */
  readonly limitMs: number;
}

export function judge(
  ledger: readonly Entry[],
  facts: Facts,
  { slots, limitMs }: JudgeLimits,
  tolerated: readonly string[],
): Judged {
  const meant = ledger.filter((entry) => !('id' in entry) || !isApart(entry.id));
  const apart = ledger.filter((entry) => 'id' in entry && isApart(entry.id));
  const others = without(facts);
  // A worker holds as many again as it runs: those that have ended and are being settled.
  const limits = { slots: 2 * slots, restartMs: limitMs, settleMs: limitMs };
  const report = check(meant, others, limits);
  const wrong = Object.entries(report).flatMap(([name, found]: [string, readonly string[]]) =>
    tolerated.includes(name) ? [] : found.map((each) => `${name}: ${each}`),
  );
  return {
    report,
    counts: count(ledger),
    wrong: [...wrong, ...wrongApart(apart, facts)],
    ledger,
    facts,
    repeats: repeats(ledger),
  };
}

function repeats(ledger: readonly Entry[]): number {
  const last = new Map<string, number>();
  let again = 0;
  for (const entry of ledger) {
    if (entry.kind !== 'start') continue;
    const before = last.get(entry.id);
    if (before !== undefined && entry.retries <= before) again++;
    last.set(entry.id, entry.retries);
  }
  return again;
}

/** Refused by their own code, or revoked before they were sent. */
function isApart(id: string): boolean {
  return id.startsWith('reject-') || id.startsWith('revoked-');
}

function without({ at, results, dead, waiting }: Facts): Facts {
  const some = (ids: ReadonlySet<string>): ReadonlySet<string> =>
    new Set([...ids].filter((id) => !isApart(id)));
  return {
    at,
    results: new Map([...results].filter(([id]) => !isApart(id))),
    dead: some(dead),
    waiting: some(waiting),
  };
}

function wrongApart(ledger: readonly Entry[], { dead, results, waiting }: Facts): string[] {
  const sent = ledger.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : []));
  const started = new Set(ledger.flatMap((entry) => (entry.kind === 'start' ? [entry.id] : [])));
  return sent.flatMap((id) => {
    const status = results.get(id)?.status ?? 'nothing';
    if (waiting.has(id)) return [`stuck: ${id}`];
    if (id.startsWith('reject-')) return dead.has(id) ? [] : [`lost: ${id} is in no dead letter (${status})`];
    const ran = started.has(id) ? [`unexpected: ${id} was revoked before it was sent`] : [];
    return status === 'REVOKED' ? ran : [...ran, `lost: ${id} was revoked and is recorded as ${status}`];
  });
}
