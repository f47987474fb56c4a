import type { Revocations } from '../revocations.ts';
import type { Check } from './admission.ts';

/** What was revoked, by its id, its workflow or a stamp, does not run. */
export function notRevoked(revocations: Pick<Revocations, 'has'>): Check {
  return ({ message }) => (revocations.has(message) ? { kind: 'revoked', message } : null);
}
