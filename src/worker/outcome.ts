// The outcome of a run: one closed union, and the effect of the task's options for acknowledging on it. Pure.
import type { Outcome } from '../app/running/outcome.ts';
import type { ResolvedTaskOptions } from '../app/task-options.ts';
import { TimeLimitExceeded } from '../errors.ts';

/** How a run ended: by its code ({@link Outcome}), or in a way that only a worker sees. */
export type ExecutionOutcome =
  | Exclude<Outcome, { kind: 'failure' }>
  | Failure
  | ProcessLost
  | Terminated
  /** It exceeded its hard time limit, and runs again. */
  | { readonly kind: 'overran'; readonly seconds: number }
  /** The worker shut down cold. `final`: the task will not run again; otherwise its message goes back. */
  | { readonly kind: 'abandoned'; readonly final?: boolean };

interface Failure extends Extract<Outcome, { kind: 'failure' }> {
  /** Why its message becomes a dead letter, whatever `acksOnFailure` is. */
  readonly deadLetter?: string;
}

/** The process or thread that ran the task died. */
export interface ProcessLost {
  readonly kind: 'lost';
  /** `signal 11 (SIGSEGV)`, `exit code 1`. */
  readonly reason: string;
  /** The task will not run again; otherwise its message goes back. */
  readonly final?: boolean;
}

/** The run was ended because its task was revoked (`terminate`). */
interface Terminated {
  readonly kind: 'revoked';
  /** The number of the signal that was requested. */
  readonly signum: number | null;
}

/** Facts of the delivery. */
interface AckFacts {
  /** It was acknowledged before it ran: the task will not run again. */
  readonly early: boolean;
  /** Its code was ended from outside. */
  readonly interrupted: boolean;
  readonly crashes: number;
  readonly maxDeliveries: number;
}

/** The final outcome, by Celery's acks_on_timeout and reject_on_worker_lost. */
export function applyAckPolicy(
  outcome: ExecutionOutcome,
  { acksOnTimeout, rejectOnWorkerLost }: Pick<ResolvedTaskOptions, 'acksOnTimeout' | 'rejectOnWorkerLost'>,
  facts: AckFacts,
): ExecutionOutcome {
  const { early } = facts;
  if (outcome.kind === 'abandoned') return early ? { ...outcome, final: true } : outcome;
  if (outcome.kind === 'lost') return early || !rejectOnWorkerLost ? { ...outcome, final: true } : outcome;
  if (early || acksOnTimeout || !isTimeout(outcome, facts)) return outcome;
  const { seconds } = outcome.error;
  // It runs again, and each time a crash is counted; after the last one it has failed.
  const runs = facts.crashes + 1;
  if (runs < facts.maxDeliveries) return { kind: 'overran', seconds };
  const deadLetter = `it exceeded its time limit of ${seconds} s each of the ${runs} times that it was run`;
  return { ...outcome, deadLetter };
}

/** Why the message of a failed task becomes a dead letter, by Celery's acks_on_failure; null: it is acknowledged. */
export function deadLetterReason(
  { error, deadLetter }: Failure,
  { acksOnFailure }: Pick<ResolvedTaskOptions, 'acksOnFailure'>,
  early: boolean,
): string | null {
  if (deadLetter !== undefined) return deadLetter;
  const isOverrun = error instanceof TimeLimitExceeded;
  return early || acksOnFailure || isOverrun ? null : `${error.name}: ${error.message}`;
}

/** The outcome of a run whose value, retry or follow-ups have no form on the wire. */
export function failureOf(error: unknown): Failure {
  return {
    kind: 'failure',
    error: error instanceof Error ? error : new Error(String(error)),
    expected: false,
  };
}

/** The reason in the record of a task whose run could not end. */
export function lossReason(outcome: Extract<ExecutionOutcome, { kind: 'abandoned' | 'lost' }>): string {
  return outcome.kind === 'lost'
    ? `the process that ran the task died: ${outcome.reason}`
    : 'the worker was shut down while the task ran';
}

function isTimeout(
  outcome: ExecutionOutcome,
  { interrupted }: AckFacts,
): outcome is Failure & { readonly error: TimeLimitExceeded } {
  return interrupted && outcome.kind === 'failure' && outcome.error instanceof TimeLimitExceeded;
}
