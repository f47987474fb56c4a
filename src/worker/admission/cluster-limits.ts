import type { LimitAsk } from '../../stores/limits.ts';
import type { ClusterLimits } from '../cluster-limits.ts';
import type { AdmissionCheck, Answer, Candidate } from './admission.ts';

type Limits = Pick<ClusterLimits, 'asksOf' | 'take'>;

/** Limits that all workers share: a message gets a permit, or is deferred. */
export function withinClusterLimits(cluster: Limits): AdmissionCheck {
  return (candidate) => {
    const { task, message, delivery } = candidate;
    const asks = task === undefined ? null : cluster.asksOf(task, message, delivery.queue);
    return asks === null ? null : take(asks, candidate, cluster);
  };
}

async function take(
  asks: readonly LimitAsk[],
  { delivery, message, held }: Candidate,
  cluster: Limits,
): Promise<Answer> {
  const permit = await cluster.take(message, delivery.queue, asks, delivery.lost);
  if (permit === null) return { kind: 'abandoned', message, why: 'gave-up' };
  if (typeof permit === 'number') return { kind: 'limited', message, until: new Date(permit) };
  held.permit = permit;
  return null;
}
