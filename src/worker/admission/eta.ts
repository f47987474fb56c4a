import type { Clock } from '../../lib/clock.ts';
import type { AdmissionCheck } from './admission.ts';

/** A message that is not due goes back until its time. */
export function due(clock: Clock): AdmissionCheck {
  return ({ message }) =>
    message.eta !== null && message.eta.getTime() > clock.now()
      ? { kind: 'early', message, until: message.eta }
      : null;
}
