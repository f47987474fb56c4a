import { isReady, type ResultRecord } from '../../protocol/result-meta.ts';
import { isOfDeadLetter, isOfTimeLimit } from '../records.ts';
import type { Settler } from '../settler.ts';
import type { StallDetector } from '../stall-detector.ts';
import type { AdmissionCheck, Answer, Candidate } from './admission.ts';
import type { DuplicateGuard } from './duplicate-guard.ts';

interface FinishedParts {
  readonly settler: Pick<Settler, 'mayDuplicate' | 'sameStore' | 'recordOf'>;
  readonly stallDetector: Pick<StallDetector, 'maybeFenced'>;
  readonly duplicates: Pick<DuplicateGuard, 'await'>;
}

/** Looks up a message that may have run before: if its end is recorded, only its acknowledgement was missing. */
export function notFinished(parts: FinishedParts): AdmissionCheck {
  const { settler, stallDetector } = parts;
  return (candidate) => {
    const { maybeFenced } = stallDetector;
    return maybeFenced || mayBeFinished(candidate, settler) ? lookUp(candidate, maybeFenced, parts) : null;
  };
}

function mayBeFinished({ delivery, message }: Candidate, settler: Pick<Settler, 'mayDuplicate'>): boolean {
  return delivery.redelivered || delivery.replayed === true || (message.retries > 0 && settler.mayDuplicate);
}

async function lookUp(
  candidate: Candidate,
  maybeFenced: boolean,
  { settler, duplicates }: FinishedParts,
): Promise<Answer> {
  const { delivery, message } = candidate;
  await duplicates.await(message, delivery);
  const record = await settler.recordOf(delivery, message.id);
  if (record === 'gave-up') return { kind: 'abandoned', message, why: 'gave-up' };
  // A message that was claimed before the process stood still may be another worker's by now.
  if (maybeFenced && delivery.isLost) return { kind: 'abandoned', message, why: 'fenced' };
  if (record === null || !isEndOfMessage(record, candidate, settler.sameStore)) return null;
  return { kind: 'finished', message, record };
}

/** Whether this record is the final one of this very message. */
function isEndOfMessage(record: ResultRecord, { delivery, task }: Candidate, sameStore: boolean): boolean {
  // Where result and acknowledgement are one transaction, a recorded failure is of an earlier delivery: its dead letter was replayed.
  if (delivery.replayed || sameStore) return record.status === 'SUCCESS';
  // In two stores it may be that, too; or the worker died between the record and the dead letter, which is still to be written. Any other
  // failure is of a run whose acknowledgement is missing.
  const options = task?.options;
  const isBuried =
    options?.acksOnFailure === false || (options?.acksOnTimeout === false && isOfTimeLimit(record));
  if (record.status === 'FAILURE' && isBuried) return false;
  return isReady(record.status) && !isOfDeadLetter(record);
}
