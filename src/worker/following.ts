// Which ends of tasks are followed by something, and with what.

import type { Logger } from '../lib/logger.ts';
import { asWireException, encodeException } from '../protocol/exception.ts';
import type { TaskMessage } from '../protocol/message.ts';
import type { ResultRecord, WireException } from '../protocol/result-meta.ts';
import { type Ended, hasFollowers } from '../workflow/follow.ts';
import type { Refused } from './admit.ts';
import type { Concluder } from './conclude.ts';
import { diedHolding, failedBecause, whyLost } from './ending.ts';
import type { RunEnd } from './execute.ts';
import type { Prepared } from './follow-writer.ts';
import { notRegistered, rejectedBecause, revokedBecause, workerLost } from './records.ts';

/** How a run ended after all, and what follows it. */
export interface Following {
  readonly end: RunEnd;
  /** Null: nothing. */
  readonly prepared: Prepared | null;
}

export function isFollowed(message: TaskMessage, end: RunEnd): boolean {
  return end.kind === 'replaced' || hasFollowers(message);
}

/**
 * What follows a run. If it cannot be sent, the run has failed, as in Celery, and what follows the failure is sent. Null: the worker
 * stops before the store answered.
 */
export async function followRun(
  message: TaskMessage,
  end: RunEnd,
  around: {
    readonly concluder: Concluder;
    readonly lost: AbortSignal;
    readonly logger: Logger;
  },
): Promise<Following | null> {
  const { concluder, lost, logger } = around;
  const ended = endedOf(end);
  if (ended === null) return { end, prepared: null };
  try {
    const prepared = await concluder.prepare(message, ended, lost);
    return prepared === null ? null : { end, prepared };
  } catch (error) {
    logger.error(
      { err: error, task_id: message.id, task_name: message.task },
      `what follows ${message.task} cannot be sent: ${String(error)}`,
    );
    if (ended.kind === 'failure') return { end, prepared: null };
    return followRun(message, failedBecause(error), around);
  }
}

/** Null: nothing follows, because it has not ended. */
function endedOf(end: RunEnd): Ended | null {
  switch (end.kind) {
    case 'success':
      return { kind: 'success', value: end.value };
    case 'failure': {
      const { exception, traceback } = encodeException(end.error);
      return failure(exception, traceback);
    }
    case 'rejected':
      return end.requeue ? null : failure(rejectedBecause(end.reason));
    case 'revoked':
      return { ...failure(revokedBecause('terminated')), status: 'REVOKED' };
    case 'replaced':
      return { kind: 'replaced', signature: end.signature };
    case 'ignored':
      return { kind: 'ignored' };
    case 'retry':
    case 'overran':
      return null;
    case 'abandoned':
    case 'lost':
      return end.final === true ? failure(workerLost(whyLost(end))) : null;
  }
}

/** Of a message that may not run; null: nothing follows, or what follows was sent. */
export function endedOfRefused(
  refused: Exclude<Refused, { kind: 'undecodable' }>,
  together: boolean,
): Ended | null {
  if (!hasFollowers(refused.message)) return null;
  switch (refused.kind) {
    case 'finished':
      // Where all is one transaction nothing can be missing; but a member is counted before it.
      return together && refused.message.embed.chord === null ? null : endedAs(refused.record);
    case 'expired':
    case 'revoked':
      return { ...failure(revokedBecause(refused.kind)), status: 'REVOKED' };
    case 'deadly':
      return failure(workerLost(diedHolding(refused.strikes)));
    case 'unknown':
      return refused.until === null ? failure(notRegistered(refused.message.task)) : null;
    case 'early':
    case 'limited':
      return null;
  }
}

export function failure(
  error: WireException,
  traceback: string | null = null,
): Extract<Ended, { kind: 'failure' }> {
  return { kind: 'failure', status: 'FAILURE', error, traceback };
}

function endedAs({ status, result, traceback }: ResultRecord): Ended {
  if (status === 'SUCCESS') return { kind: 'success', value: result };
  return {
    ...failure(asWireException(result), traceback),
    status: status === 'REVOKED' ? 'REVOKED' : 'FAILURE',
  };
}
