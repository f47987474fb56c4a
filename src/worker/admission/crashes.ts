import type { AdmissionCheck } from './admission.ts';

/** A message that so many workers, or processes of their pools, died of goes to the dead letters. */
export function withinCrashLimit(maxDeliveries: number): AdmissionCheck {
  return ({ message, delivery: { crashes } }) =>
    crashes >= maxDeliveries ? { kind: 'deadly', message, crashes } : null;
}
