// How long a call waits for a broker that is away, told without a clock: by which of two calls ends first.
import { expect } from 'vitest';
import type { App } from '../../src/app/app.ts';
import type { CallOptions } from '../../src/config/call-options.ts';

/** A call that is tried for an hour. */
export const patiently: CallOptions = { publishTimeout: '1h', retryPolicy: { maxRetries: null } };

/** How a call ends that is tried within its own time only, while a {@link patiently} sent one still waits. */
export async function endedBeforePatient(app: App, options: CallOptions): Promise<unknown> {
  const giveUp = new AbortController();
  let hasPatience = true;
  const patient = app
    .send('t', [], { ...patiently, signal: giveUp.signal })
    .catch((reason: unknown) => reason)
    .finally(() => {
      hasPatience = false;
    });
  const policy: CallOptions = { retryPolicy: { maxRetries: null } };
  const end = await app.send('t', [], { ...policy, ...options }).catch((reason: unknown) => reason);
  expect(hasPatience).toBe(true);
  giveUp.abort(new Error('enough'));
  expect(await patient).toMatchObject({ message: 'enough' });
  return end;
}
