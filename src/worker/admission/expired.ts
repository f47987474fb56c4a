import type { Clock } from '../../lib/clock.ts';
import type { AdmissionCheck } from './admission.ts';

/** An expired message does not run, also not at the very moment of its expiration. */
export function notExpired(clock: Clock): AdmissionCheck {
  return ({ message }) =>
    message.expires !== null && message.expires.getTime() <= clock.now()
      ? { kind: 'expired', message }
      : null;
}
