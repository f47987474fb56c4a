import type { AdmissionCheck } from './admission.ts';

/** A message becomes a dead letter when this number of workers, or of their pool processes, died while they held it. */
export function withinCrashLimit(maxDeliveries: number): AdmissionCheck {
  return ({ message, delivery: { crashes } }) =>
    crashes >= maxDeliveries ? { kind: 'deadly', message, crashes } : null;
}
