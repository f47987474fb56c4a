// What happened to a task that was run: one closed union, and what the task's options for acknowledging make of it. Pure.
import type { Outcome } from '../app/running/outcome.ts';
import type { ResolvedTaskOptions } from '../app/task-options.ts';
import { TimeLimitExceeded } from '../errors.ts';

/** How a run ended: as its code says ({@link Outcome}), or as only a worker can say. */
export type ExecutionOutcome =
  | Exclude<Outcome, { kind: 'failure' }>
  | Failure
  | ProcessLost
  | Terminated
  /** It exceeded its hard time limit, and runs again. */
  | { readonly kind: 'overran'; readonly seconds: number }
  /** The worker shut down cold. `final`: nobody will run it again; else its message goes back. */
  | { readonly kind: 'abandoned'; readonly final?: boolean };

interface Failure extends Extract<Outcome, { kind: 'failure' }> {
  /** Why its message goes to the dead letters, whatever `acksOnFailure` says. */
  readonly deadLetter?: string;
}

/** The process or thread that ran the task died of itself. */
export interface ProcessLost {
  readonly kind: 'lost';
  /** `signal 11 (SIGSEGV)`, `exit code 1`. */
  readonly reason: string;
  /** Nobody will run the task again; else its message goes back. */
  readonly final?: boolean;
}

/** The run was ended because its task was revoked (`terminate`). */
interface Terminated {
  readonly kind: 'revoked';
  /** The number of the signal that was asked for. */
  readonly signum: number | null;
}

/** What is known of the delivery besides. */
interface AckFacts {
  /** It was acknowledged before it ran: nobody will run it again. */
  readonly early: boolean;
  /** Its code was ended from outside. */
  readonly interrupted: boolean;
  readonly crashes: number;
  readonly maxDeliveries: number;
}

/** The outcome that counts, by Celery's acks_on_timeout and reject_on_worker_lost. */
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
  // It runs again, each time with a crash counted; the last time it has failed for good.
  const runs = facts.crashes + 1;
  if (runs < facts.maxDeliveries) return { kind: 'overran', seconds };
  const deadLetter = `it exceeded its time limit of ${seconds} s each of the ${runs} times that it was run`;
  return { ...outcome, deadLetter };
}

/** Why the message of a task that failed goes to the dead letters, by Celery's acks_on_failure; null: it is acknowledged. */
export function deadLetterReason(
  { error, deadLetter }: Failure,
  { acksOnFailure }: Pick<ResolvedTaskOptions, 'acksOnFailure'>,
  early: boolean,
): string | null {
  if (deadLetter !== undefined) return deadLetter;
  const isOverrun = error instanceof TimeLimitExceeded;
  return early || acksOnFailure || isOverrun ? null : `${error.name}: ${error.message}`;
}

/** The outcome of a run whose own cannot be written: its value, its retry or what follows it has no form on the wire. */
export function failureOf(error: unknown): Failure {
  return {
    kind: 'failure',
    error: error instanceof Error ? error : new Error(String(error)),
    expected: false,
  };
}

/** What the record of a task says whose run could not end. */
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
