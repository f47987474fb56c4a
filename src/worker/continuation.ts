// What follows the end of a task, in the words of `workflow/follow.ts`: decided here from what happened. Pure.

import { asWireException, encodeException } from '../protocol/exception.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultRecord, WireException } from '../protocol/result-meta.ts';
import { type Ended, hasFollowers, type TaskFailure } from '../workflow/follow.ts';
import type { Rejection } from './admission/admission.ts';
import { type ExecutionOutcome, lossReason } from './outcome.ts';
import { notRegistered, rejectedBecause, revokedBecause, workerLost } from './records.ts';
import { diedHolding } from './settlement.ts';

/** Whether anything may follow a run of this message. */
export function mayContinue(message: TaskMessage, outcome: ExecutionOutcome): boolean {
  return outcome.kind === 'replaced' || hasFollowers(message);
}

/** The end that is followed; null: the task has not ended. */
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
 * The same of a message that may not run; null: nothing follows, or what follows was sent. `sameStore`: results and messages are in one
 * store.
 */
export function continuationOfRejection(rejection: Rejection, sameStore: boolean): Ended | null {
  if (rejection.kind === 'undecodable' || !hasFollowers(rejection.message)) return null;
  switch (rejection.kind) {
    case 'finished':
      // Where all is one transaction nothing can be missing; but a member is counted before it.
      return sameStore && rejection.message.embed.chord === null ? null : endedAs(rejection.record);
    case 'expired':
    case 'revoked':
      return { ...failure(revokedBecause(rejection.kind)), status: 'REVOKED' };
    case 'deadly':
      return failure(workerLost(diedHolding(rejection.crashes)));
    case 'unknown':
      return rejection.until === null ? failure(notRegistered(rejection.message.task)) : null;
    case 'early':
    case 'limited':
      return null;
  }
}

/** The same of a message that the worker itself failed on. */
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
