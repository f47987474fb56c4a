import type { Clock } from '../../lib/clock.ts';
import { deferDelayMs } from '../unknown-task.ts';
import type { AdmissionCheck } from './admission.ts';

/** A task that is not here may be known to a newer worker: its message is deferred, for `graceMs` in all. */
export function known(graceMs: number, clock: Clock): AdmissionCheck {
  return ({ task, message, delivery }) => {
    if (task?.run) return null; // one that lives elsewhere is known, but not here
    const delayMs = deferDelayMs(delivery.deferrals, graceMs);
    return { kind: 'unknown', message, until: delayMs === null ? null : new Date(clock.now() + delayMs) };
  };
}
