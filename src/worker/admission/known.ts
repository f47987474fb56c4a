import type { Clock } from '../../lib/clock.ts';
import { deferDelayMs } from '../unknown-task.ts';
import type { AdmissionCheck } from './admission.ts';

/** A newer worker may know a task that this one does not know: its message is deferred, for `graceMs` in all. */
export function known(graceMs: number, clock: Clock): AdmissionCheck {
  return ({ task, message, delivery }) => {
    if (task?.run) return null; // a remote task has a name here, but no code
    const delayMs = deferDelayMs(delivery.deferrals, graceMs);
    return { kind: 'unknown', message, until: delayMs === null ? null : new Date(clock.now() + delayMs) };
  };
}
