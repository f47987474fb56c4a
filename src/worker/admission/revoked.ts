import type { Revocations } from '../revocations.ts';
import type { AdmissionCheck } from './admission.ts';

/** A task that was revoked by its id, its workflow or a stamp does not run. */
export function notRevoked(revocations: Pick<Revocations, 'has'>): AdmissionCheck {
  return ({ message }) => (revocations.has(message) ? { kind: 'revoked', message } : null);
}
