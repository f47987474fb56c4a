import type { Clock } from '../../lib/clock.ts';
import type { RateLimits } from '../rate-limits.ts';
import type { AdmissionCheck } from './admission.ts';

/** Celery's rate_limit: how often the tasks of one name start in this worker. */
export function withinRateLimit(rateLimits: Pick<RateLimits, 'askFor'>, clock: Clock): AdmissionCheck {
  return ({ task, message }) => {
    const untilMs = rateLimits.askFor(message.task, task?.options.rateLimit ?? null, message.id, clock.now());
    return untilMs === null ? null : { kind: 'limited', message, until: new Date(untilMs) };
  };
}
