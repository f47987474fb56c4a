// Decides, from the outcome of a delivery, which writes settle it; `settler.ts` makes them. Pure.
import type { Retry } from '../app/running/outcome.ts';
import type { ResolvedTaskOptions } from '../app/task-options.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { DeadReason, Delivery, Publication } from '../stores/transport.ts';
import type { Rejection } from './admission/admission.ts';
import { deadLetterReason, type ExecutionOutcome, lossReason } from './outcome.ts';
import type { Records, Subject } from './records.ts';
import { notRegistered, rejectedBecause, revokedBecause, undecodable, workerLost } from './records.ts';

/** The writes that settle a delivery: a record, a message, and the delivery's own settlement. */
export interface SettlementPlan {
  readonly action:
    | { readonly kind: 'ack' }
    | {
        readonly kind: 'release';
        readonly until: Date | null;
        readonly deferred: boolean;
        readonly crashed?: boolean;
      }
    | { readonly kind: 'dead'; readonly reason: DeadReason; readonly detail: string };
  readonly record: ResultRecord | null;
  /** The task's next message: a retry, or the same message again. */
  readonly publish: Publication | null;
  /** What happened to the task, written with the settlement; absent: nothing, or not with it. */
  readonly history?: StoreWrite;
}

export const ackOnly: SettlementPlan = { action: { kind: 'ack' }, record: null, publish: null };
export const toFront: SettlementPlan = {
  action: { kind: 'release', until: null, deferred: false },
  record: null,
  publish: null,
};

/** It runs again, alone; a message that keeps killing workers becomes a dead letter. */
const crashed: SettlementPlan = {
  ...toFront,
  action: { kind: 'release', until: null, deferred: false, crashed: true },
};

/** A run that has ended. */
export interface EndedRun extends Subject {
  readonly delivery: Delivery;
  /** It was acknowledged before it ran. */
  readonly early: boolean;
  readonly task: { readonly options: Pick<ResolvedTaskOptions, 'acksOnFailure'> };
}

/** Makes the task's next message. */
export interface Resend {
  /** A retry. @throws NotSerializableError, PayloadTooLargeError, ConfigError */
  retried(run: EndedRun, retry: Retry): Publication;
  /** The same message, behind all that waits. */
  requeued(run: EndedRun): Publication;
}

/** The settlement of a run. @throws what `resend` throws */
export function settlementOf(
  outcome: ExecutionOutcome,
  run: EndedRun,
  records: Records,
  resend: Resend,
): SettlementPlan {
  switch (outcome.kind) {
    case 'success':
      return ack(records.success(run, outcome.value));
    case 'failure': {
      const record = records.thrown(run, 'FAILURE', outcome.error);
      const reason = deadLetterReason(outcome, run.task.options, run.early);
      return reason === null ? ack(record) : dead('failed', reason, record);
    }
    case 'retry': {
      const { retry } = outcome;
      const record = records.thrown(run, 'RETRY', retry.cause ?? retry);
      return { action: { kind: 'ack' }, record, publish: resend.retried(run, retry) };
    }
    case 'ignored':
    case 'replaced': // its replacement has its id, and will write its record
      return ackOnly;
    case 'rejected': {
      // To the back of the queue, as in Celery: at the front it would be delivered again and again, before all others.
      if (outcome.requeue) return { action: { kind: 'ack' }, record: null, publish: resend.requeued(run) };
      const { reason } = outcome;
      return dead('rejected', reason, records.exception(run, 'FAILURE', rejectedBecause(reason)));
    }
    case 'revoked':
      return ack(records.exception(run, 'REVOKED', revokedBecause('terminated')));
    case 'abandoned':
    case 'lost':
      // A run that will not be repeated has failed.
      if (outcome.final === true)
        return ack(records.exception(run, 'FAILURE', workerLost(lossReason(outcome))));
      return outcome.kind === 'lost' ? crashed : toFront;
    case 'overran':
      return crashed;
  }
}

/** The settlement of a message that may not run, or not now. */
export function settlementOfRejection(
  rejection: Exclude<Rejection, { kind: 'undecodable' }>,
  subject: Subject,
  records: Records,
): SettlementPlan {
  switch (rejection.kind) {
    case 'finished':
      return ackOnly;
    case 'early':
    case 'paused':
    case 'limited':
      return release(rejection.until, false);
    case 'expired':
    case 'revoked':
      return ack(records.exception(subject, 'REVOKED', revokedBecause(rejection.kind)));
    case 'deadly': {
      const detail = diedHolding(rejection.crashes);
      return dead('max-deliveries', detail, records.exception(subject, 'FAILURE', workerLost(detail)));
    }
    case 'unknown': {
      if (rejection.until !== null) return release(rejection.until, true);
      const { task } = subject.message;
      const record = records.exception(subject, 'FAILURE', notRegistered(task));
      return dead('unknown-task', `no worker knew a task named '${task}'`, record);
    }
  }
}

/** The settlement of bytes that are no message. `taskId`: set if it could be read, and its result is wanted. */
export function settlementOfUndecodable(
  detail: string,
  taskId: string | null,
  records: Records,
): SettlementPlan {
  return dead(
    'undecodable',
    detail,
    taskId === null ? null : records.bareFailure(taskId, undecodable(detail)),
  );
}

/** The settlement of a message on which the worker itself failed: kept for people to look at, not retried for ever. */
export function settlementOfFault(error: unknown, taskId: string | null, records: Records): SettlementPlan {
  const detail = `the worker failed to handle it: ${String(error)}`;
  return dead('rejected', detail, taskId === null ? null : records.bareFailure(taskId, workerLost(detail)));
}

export function diedHolding(crashes: number): string {
  return `${crashes} workers died or lost their lease while they held it`;
}

function ack(record: ResultRecord | null): SettlementPlan {
  return { action: { kind: 'ack' }, record, publish: null };
}

function release(until: Date, deferred: boolean): SettlementPlan {
  return { action: { kind: 'release', until, deferred }, record: null, publish: null };
}

function dead(reason: DeadReason, detail: string, record: ResultRecord | null): SettlementPlan {
  return { action: { kind: 'dead', reason, detail }, record, publish: null };
}
