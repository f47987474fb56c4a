// Which end a task has for its workflow (see `workflow/follow.ts`), decided from the outcome. Pure.

import { asWireException, encodeException } from '../protocol/exception.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultRecord, WireException } from '../protocol/result-meta.ts';
import { type Ended, hasFollowers, type TaskFailure } from '../workflow/follow.ts';
import type { Rejection } from './admission/admission.ts';
import { type ExecutionOutcome, lossReason } from './outcome.ts';
import { notRegistered, rejectedBecause, revokedBecause, workerLost } from './records.ts';
import { diedHolding } from './settlement.ts';

/** Whether anything can follow a run of this message. */
export function mayContinue(message: TaskMessage, outcome: ExecutionOutcome): boolean {
  return outcome.kind === 'replaced' || hasFollowers(message);
}

/** The task's end; null: it has not ended. */
export function continuationOf(outcome: ExecutionOutcome): Ended | null {
  switch (outcome.kind) {
    case 'success':
      return { kind: 'success', value: outcome.value };
    case 'failure': {
      const { exception, traceback } = encodeException(outcome.error);
      return failure(exception, traceback);
    }
    case 'rejected':
      return outcome.requeue ? null : failure(rejectedBecause(outcome.reason));
    case 'revoked':
      return { ...failure(revokedBecause('terminated')), status: 'REVOKED' };
    case 'replaced':
      return { kind: 'replaced', signature: outcome.signature };
    case 'ignored':
      return { kind: 'ignored' };
    case 'retry':
    case 'overran':
      return null;
    case 'abandoned':
    case 'lost':
      return outcome.final === true ? failure(workerLost(lossReason(outcome))) : null;
  }
}

/**
 * The end of a message that was not run; null: nothing follows, or it was sent already. `sameStore`: results and messages are in one
 * store.
 */
export function continuationOfRejection(rejection: Rejection, sameStore: boolean): Ended | null {
  if (rejection.kind === 'undecodable' || !hasFollowers(rejection.message)) return null;
  switch (rejection.kind) {
    case 'finished':
      // In one store all of it is one transaction, and nothing can be missing. But a chord's member is counted before that transaction.
      return sameStore && rejection.message.embed.chord === null ? null : endedAs(rejection.record);
    case 'expired':
    case 'revoked':
      return { ...failure(revokedBecause(rejection.kind)), status: 'REVOKED' };
    case 'deadly':
      return failure(workerLost(diedHolding(rejection.crashes)));
    case 'unknown':
      return rejection.until === null ? failure(notRegistered(rejection.message.task)) : null;
    case 'early':
    case 'paused':
    case 'limited':
      return null;
  }
}

/** The end of a message on which the worker itself failed. */
export function continuationOfFault(message: TaskMessage, detail: string): Ended | null {
  return hasFollowers(message) ? failure(workerLost(detail)) : null;
}

function failure(error: WireException, traceback: string | null = null): TaskFailure {
  return { kind: 'failure', status: 'FAILURE', error, traceback };
}

function endedAs({ status, result, traceback }: ResultRecord): Ended {
  if (status === 'SUCCESS') return { kind: 'success', value: result };
  return {
    ...failure(asWireException(result), traceback),
    status: status === 'REVOKED' ? 'REVOKED' : 'FAILURE',
  };
}
