// What is to be written when a delivery is over: decided here from facts, done in `settle.ts`.
import type { Outcome, Retry } from '../app/running/outcome.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { DeadReason, Publication } from '../stores/transport.ts';
import type { Refused } from './admit.ts';
import type { RunEnd } from './execute.ts';
import type { Records, Subject } from './records.ts';
import { notRegistered, rejectedBecause, revokedBecause, undecodable, workerLost } from './records.ts';

export interface Ending {
  readonly action:
    | { readonly kind: 'ack' }
    | {
        readonly kind: 'release';
        readonly until: Date | null;
        readonly parked: boolean;
        readonly struck?: boolean;
      }
    | { readonly kind: 'dead'; readonly reason: DeadReason; readonly detail: string };
  readonly record: ResultRecord | null;
  /** A retry. */
  readonly publish: Publication | null;
}

export const ackOnly: Ending = { action: { kind: 'ack' }, record: null, publish: null };
export const toFront: Ending = {
  action: { kind: 'release', until: null, parked: false },
  record: null,
  publish: null,
};

/** It runs again, alone; what kills again and again goes to the dead letters. */
const struck: Ending = {
  ...toFront,
  action: { kind: 'release', until: null, parked: false, struck: true },
};

/** How a task is sent once more. */
export interface Again {
  /** As its retry says. @throws NotSerializableError, PayloadTooLargeError, ConfigError */
  retried(retry: Retry): Publication;
  /** As it came, behind all that waits. */
  requeued(): Publication;
}

/**
 * Of a run.
 * @throws what `again` throws.
 */
export function endingOfRun(
  end: RunEnd,
  subject: Subject,
  records: Records,
  again: Again,
  /** Why a failed one's message goes to the dead letters; null: it is acknowledged. */
  burial: string | null = null,
): Ending {
  switch (end.kind) {
    case 'success':
      return ack(records.success(subject, end.value));
    case 'failure': {
      const record = records.thrown(subject, 'FAILURE', end.error);
      return burial === null ? ack(record) : dead('failed', burial, record);
    }
    case 'retry': {
      const { cause } = end.retry;
      const record = records.thrown(subject, 'RETRY', cause ?? end.retry);
      return { action: { kind: 'ack' }, record, publish: again.retried(end.retry) };
    }
    case 'ignored':
    case 'replaced': // what takes its place has its id, and will write its record
      return ackOnly;
    case 'rejected':
      // To the back, as in Celery: at the front it would be the next, again and again, and let nothing else through.
      if (end.requeue) return { action: { kind: 'ack' }, record: null, publish: again.requeued() };
      return dead('rejected', end.reason, records.exception(subject, 'FAILURE', rejectedBecause(end.reason)));
    case 'revoked':
      return ack(records.exception(subject, 'REVOKED', revokedBecause('terminated')));
    case 'abandoned':
      return end.final === true ? endingOfLost(whyLost(end), subject, records) : toFront;
    case 'lost':
      if (end.final === true) return endingOfLost(whyLost(end), subject, records);
      return struck;
    case 'overran':
      return struck;
  }
}

/** Of a message that may not run, or not now. */
export function endingOfRefused(
  refused: Exclude<Refused, { kind: 'undecodable' }>,
  subject: Subject,
  records: Records,
): Ending {
  switch (refused.kind) {
    case 'finished':
      return ackOnly;
    case 'early':
    case 'limited':
      return release(refused.until, false);
    case 'expired':
    case 'revoked':
      return ack(records.exception(subject, 'REVOKED', revokedBecause(refused.kind)));
    case 'deadly': {
      const said = diedHolding(refused.strikes);
      return dead('max-deliveries', said, records.exception(subject, 'FAILURE', workerLost(said)));
    }
    case 'unknown': {
      if (refused.until !== null) return release(refused.until, true);
      const { task } = subject.message;
      const record = records.exception(subject, 'FAILURE', notRegistered(task));
      return dead('unknown-task', `no worker knew a task named '${task}'`, record);
    }
  }
}

/** Of bytes that are no message; `taskId` if it could be read, and its result is wanted. */
export function endingOfUndecodable(detail: string, taskId: string | null, records: Records): Ending {
  return dead(
    'undecodable',
    detail,
    taskId === null ? null : records.bareFailure(taskId, undecodable(detail)),
  );
}

/** Of a task that could not end, and that nobody will run again. */
export function endingOfLost(why: string, subject: Subject, records: Records): Ending {
  return ack(records.exception(subject, 'FAILURE', workerLost(why)));
}

/** Of a message that the worker itself failed on: kept for people to look at, not tried for ever. */
export function endingOfFault(error: unknown, taskId: string | null, records: Records): Ending {
  const said = `the worker failed to handle it: ${String(error)}`;
  return dead('rejected', said, taskId === null ? null : records.bareFailure(taskId, workerLost(said)));
}

/** The outcome of a run whose own ending cannot be written: its value, or its retry, has no form on the wire. */
export function failedBecause(error: unknown): Extract<Outcome, { kind: 'failure' }> {
  return {
    kind: 'failure',
    error: error instanceof Error ? error : new Error(String(error)),
    expected: false,
  };
}

export function diedHolding(strikes: number): string {
  return `${strikes} workers died or lost their lease while they held it`;
}

export function whyLost(end: Extract<RunEnd, { kind: 'abandoned' | 'lost' }>): string {
  return end.kind === 'lost'
    ? `the process that ran the task died: ${end.reason}`
    : 'the worker was shut down while the task ran';
}

function ack(record: ResultRecord | null): Ending {
  return { action: { kind: 'ack' }, record, publish: null };
}

function release(until: Date, parked: boolean): Ending {
  return { action: { kind: 'release', until, parked }, record: null, publish: null };
}

function dead(reason: DeadReason, detail: string, record: ResultRecord | null): Ending {
  return { action: { kind: 'dead', reason, detail }, record, publish: null };
}
