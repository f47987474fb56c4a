import type { Clock } from '../../lib/clock.ts';
import type { Pauses } from '../pauses.ts';
import type { AdmissionCheck } from './admission.ts';

/** How long the message of a paused task is deferred, milliseconds: as long as the pause has lasted, within these bounds. */
const shortestMs = 5_000;
const longestMs = 300_000;

/** A task that is paused goes back. Who resumes it brings its messages forward, where the broker can. */
export function notPaused(pauses: Pick<Pauses, 'since'>, clock: Clock): AdmissionCheck {
  return ({ message }) => {
    const since = pauses.since(message.task);
    if (since === null) return null;
    const now = clock.now();
    const delayMs = Math.min(Math.max(now - since.getTime(), shortestMs), longestMs);
    return { kind: 'paused', message, until: new Date(now + delayMs) };
  };
}
