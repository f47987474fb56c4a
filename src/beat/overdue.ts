// Decides which runs are sent now, and which are skipped. Pure.
import type { ResolvedPolicy } from '../app/schedule.ts';
import type { Schedule, ScheduleContext } from '../schedules/schedule.ts';

interface Overdue {
  /** Due times of the runs to send, the oldest first, milliseconds since 1970. */
  readonly runs: readonly number[];
  /** The skipped runs: the first and the last due time, and why. */
  readonly skipped: { readonly fromMs: number; readonly untilMs: number; readonly reason: string } | null;
}

/**
 * The runs that are due after `afterMs` and not later than `nowMs`, by the policy for missed runs. It takes no longer after a
 * year than after a second. `sendAt` returns when a due run is to be sent, which jitter delays.
 */
export function overdue(
  schedule: Schedule,
  context: ScheduleContext,
  afterMs: number,
  nowMs: number,
  policy: ResolvedPolicy,
  sendAt: (dueMs: number) => number,
): Overdue {
  const first = nextMs(schedule, context, afterMs);
  if (first === null || sendAt(first) > nowMs) return { runs: [], skipped: null };
  const wanted = policy.missed === 'all' ? policy.missedLimit : 1;
  const latest = latestDue(schedule, context, afterMs, nowMs, wanted + 1);
  const unripe = latest.findIndex((due) => sendAt(due) > nowMs);
  const ripe = unripe < 0 ? latest : latest.slice(0, unripe);
  // With jitter the latest run may not be sendable yet while all before it were skipped: then the first one is sent.
  const chosen = (ripe.length === 0 ? [first] : ripe).slice(-wanted);
  const deadline = policy.startingDeadlineMs ?? Number.POSITIVE_INFINITY;
  const runs = chosen.filter((due) => nowMs - sendAt(due) <= deadline);
  const tooLate = chosen.filter((due) => nowMs - sendAt(due) > deadline);
  const left = [first, ...ripe.slice(0, -wanted), ...tooLate].filter((due) => !runs.includes(due));
  if (left.length === 0) return { runs, skipped: null };
  // The runs before the first that is sent.
  const untilMs = runs[0] === undefined ? Math.max(...left) : lastBefore(latest, runs[0], Math.max(...left));
  const reason = tooLate.length > 0 ? 'later than its starting deadline' : 'missed';
  return { runs, skipped: { fromMs: first, untilMs, reason } };
}

/** The next due time, milliseconds. */
export function nextMs(schedule: Schedule, context: ScheduleContext, afterMs: number): number | null {
  const next = schedule.next(new Date(afterMs), context)?.getTime() ?? null;
  // A user's schedule that never advances would be sent without end.
  return next !== null && next > afterMs ? next : null;
}

/** At least the latest `count` due times in (after, until], ascending; fewer if there are fewer. */
function latestDue(
  schedule: Schedule,
  context: ScheduleContext,
  afterMs: number,
  untilMs: number,
  count: number,
): readonly number[] {
  // Looks back further and further, each time at most eight times as far.
  for (let backMs = 1000; ; backMs *= 8) {
    const fromMs = Math.max(afterMs, untilMs - backMs);
    const due: number[] = [];
    for (let at = nextMs(schedule, context, fromMs); at !== null && at <= untilMs; ) {
      due.push(at);
      at = nextMs(schedule, context, at);
    }
    if (due.length >= count || fromMs === afterMs) return due;
  }
}

function lastBefore(due: readonly number[], before: number, otherwise: number): number {
  return due.findLast((each) => each < before) ?? otherwise;
}
