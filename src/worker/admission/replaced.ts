import { type CarriedLock, readLock } from '../../stores/locks.ts';
import type { Settler } from '../settler.ts';
import type { AdmissionCheck, Answer, Candidate } from './admission.ts';

type Locks = Pick<Settler, 'retry' | 'unique'>;

/** A unique task that a later call has replaced does not run. */
export function notReplaced(settler: Locks): AdmissionCheck {
  return (candidate) => {
    const { message } = candidate.delivery;
    const lock = message.ok ? readLock(message.value.headers) : null;
    return lock?.replaceable === true ? lookUp(lock, candidate, settler) : null;
  };
}

async function lookUp(lock: CarriedLock, { delivery, message }: Candidate, settler: Locks): Promise<Answer> {
  let isReplaced = false;
  const isKnown = await settler.retry('look for the lock of a unique task', delivery.lost, async () => {
    isReplaced = await settler.unique.isReplaced(lock, message.id);
  });
  if (!isKnown) return { kind: 'abandoned', message, why: 'gave-up' };
  return isReplaced ? { kind: 'revoked', message } : null;
}
