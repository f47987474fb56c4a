// What the rules of a task make of the end of its code: Celery's acks_on_failure, acks_on_timeout and reject_on_worker_lost. Pure.
import type { ResolvedTaskOptions } from '../app/task-options.ts';
import { TimeLimitExceeded } from '../errors.ts';
import type { RunEnd } from './execute.ts';

/** What is known besides. */
export interface AftermathFacts {
  /** It was acknowledged before it ran: nobody will run it again. */
  readonly early: boolean;
  /** Its code was ended from outside. */
  readonly interrupted: boolean;
  readonly strikes: number;
  readonly maxDeliveries: number;
}

type Rules = Pick<ResolvedTaskOptions, 'acksOnTimeout' | 'rejectOnWorkerLost'>;

/** The end that counts. */
export function aftermath(
  end: RunEnd,
  { acksOnTimeout, rejectOnWorkerLost }: Rules,
  facts: AftermathFacts,
): RunEnd {
  const { early } = facts;
  if (end.kind === 'abandoned') return early ? { ...end, final: true } : end;
  if (end.kind === 'lost') return early || !rejectOnWorkerLost ? { ...end, final: true } : end;
  if (early || acksOnTimeout || !isTimeout(end, facts)) return end;
  // It runs again, each time with a strike; the last time it has failed for good.
  const runs = facts.strikes + 1;
  return runs < facts.maxDeliveries
    ? { kind: 'overran', seconds: end.error.seconds }
    : {
        ...end,
        buried: `it exceeded its time limit of ${end.error.seconds} s each of the ${runs} times that it was run`,
      };
}

/** Why the message of a task that failed goes to the dead letters; null: it does not. */
export function burial(
  end: Extract<RunEnd, { kind: 'failure' }>,
  { acksOnFailure }: Pick<ResolvedTaskOptions, 'acksOnFailure'>,
  early: boolean,
): string | null {
  if (end.buried !== undefined) return end.buried;
  const isOverrun = end.error instanceof TimeLimitExceeded;
  return early || acksOnFailure || isOverrun ? null : `${end.error.name}: ${end.error.message}`;
}

function isTimeout(
  end: RunEnd,
  { interrupted }: AftermathFacts,
): end is Extract<RunEnd, { kind: 'failure' }> & { readonly error: TimeLimitExceeded } {
  return interrupted && end.kind === 'failure' && end.error instanceof TimeLimitExceeded;
}
