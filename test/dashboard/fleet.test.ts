import { expect, test } from 'vitest';
import type { Answers } from '../../src/control/mailbox.ts';
import { Fleet } from '../../src/dashboard/server/pages/fleet.ts';
import { BrokerUnavailable } from '../../src/errors.ts';
import { deferred } from '../../src/lib/deferred.ts';

test('what workers said is shown without waiting for them, and all pages share one request', async () => {
  const answers = [deferred<Answers>(), deferred<Answers>(), deferred<Answers>()];
  let asked = 0;
  const fleet = new Fleet({
    ask: () => answers[asked++]?.promise ?? Promise.reject(new TypeError('asked again')),
  });
  expect(await fleet.knownStats()).toBeNull();
  expect(await fleet.knownStats()).toBeNull();
  expect(asked).toBe(1);
  answers[0]?.reject(new BrokerUnavailable('the broker is away'));
  await expect(answers[0]?.promise).rejects.toThrow();
  // The next look asks again, and says meanwhile why nothing is known.
  await expect(fleet.knownStats()).rejects.toThrow('the broker is away');
  expect(asked).toBe(2);
  answers[1]?.resolve({ replies: new Map([['w1@host', { pid: 7 }]]), silent: [] });
  expect(await fleet.stats()).toEqual(new Map([['w1@host', { pid: 7 }]]));
  expect(await fleet.knownStats()).toEqual(new Map([['w1@host', { pid: 7 }]]));
  expect(asked).toBe(2);
});
