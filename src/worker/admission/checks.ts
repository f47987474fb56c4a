// The checks of admission, in their order: each relies on those before it.
import type { Config } from '../../config/config.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ClusterLimits } from '../cluster-limits.ts';
import type { Pauses } from '../pauses.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { Revocations } from '../revocations.ts';
import type { Settler } from '../settler.ts';
import type { StallDetector } from '../stall-detector.ts';
import type { AdmissionCheck } from './admission.ts';
import { withinClusterLimits } from './cluster-limits.ts';
import { withinCrashLimit } from './crashes.ts';
import type { DuplicateGuard } from './duplicate-guard.ts';
import { due } from './eta.ts';
import { notExpired } from './expired.ts';
import { notFinished } from './finished.ts';
import { known } from './known.ts';
import { notPaused } from './paused.ts';
import { withinRateLimit } from './rate-limit.ts';
import { notReplaced } from './replaced.ts';
import { notRevoked } from './revoked.ts';

export interface AdmissionParts {
  readonly config: Pick<Config, 'workerMaxDeliveries' | 'workerUnknownTaskGrace' | 'workerDisableRateLimits'>;
  readonly settler: Pick<Settler, 'mayDuplicate' | 'sameStore' | 'recordOf' | 'retry' | 'unique'>;
  readonly stallDetector: Pick<StallDetector, 'maybeFenced'>;
  readonly duplicates: Pick<DuplicateGuard, 'await'>;
  readonly revocations: Pick<Revocations, 'has'>;
  readonly pauses: Pick<Pauses, 'since'>;
  readonly rateLimits: Pick<RateLimits, 'askFor'>;
  readonly cluster: Pick<ClusterLimits, 'asksOf' | 'take'>;
  readonly clock: Clock;
}

export function admissionChecks(parts: AdmissionParts): readonly AdmissionCheck[] {
  const { config, clock } = parts;
  return [
    notFinished(parts),
    notRevoked(parts.revocations),
    notExpired(clock),
    withinCrashLimit(config.workerMaxDeliveries),
    // Before the task's name is looked up: a message for tomorrow may be for a worker that starts tomorrow.
    due(clock),
    notPaused(parts.pauses, clock),
    known(config.workerUnknownTaskGrace * 1000, clock),
    // The limits come last: a message that is rejected for another reason must not use them up.
    ...(config.workerDisableRateLimits ? [] : [withinRateLimit(parts.rateLimits, clock)]),
    notReplaced(parts.settler),
    withinClusterLimits(parts.cluster),
  ];
}
