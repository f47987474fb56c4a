import type { Clock } from '../../lib/clock.ts';
import type { AdmissionCheck } from './admission.ts';

/** What has expired does not run, also at the very moment. */
export function notExpired(clock: Clock): AdmissionCheck {
  return ({ message }) =>
    message.expires !== null && message.expires.getTime() <= clock.now()
      ? { kind: 'expired', message }
      : null;
}
