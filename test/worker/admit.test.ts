import { describe, expect, it } from 'vitest';
import { admit, type Facts } from '../../src/worker/admit.ts';
import { someMessage } from './some-message.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const later = new Date(now + 1000);
/** Its result is recorded. */
const ended: Facts<string>['finished'] = {
  taskId: 'a',
  status: 'SUCCESS',
  result: 1,
  traceback: null,
  children: [],
  dateDone: null,
};
const before = new Date(now - 1000);

function facts(changes: Partial<Facts<string>> = {}): Facts<string> {
  return {
    message: { ok: true, value: someMessage() },
    task: 'the task',
    finished: null,
    revoked: false,
    strikes: 0,
    parks: 0,
    now,
    maxDeliveries: 5,
    unknownGraceMs: 60_000,
    limited: () => null,
    ...changes,
  };
}

const message = (changes: Parameters<typeof someMessage>[0]): Facts<string>['message'] => ({
  ok: true,
  value: someMessage(changes),
});

describe('a message is admitted', () => {
  it('but later, if its rate limit says so', () => {
    const later = admit(facts({ limited: () => 5000 }));
    expect(later).toMatchObject({ kind: 'limited', until: new Date(5000) });
  });

  it('when its task is known and nothing speaks against it', () => {
    expect(admit(facts())).toMatchObject({ kind: 'run', task: 'the task' });
  });

  it('when its eta has come and its expiry has not', () => {
    expect(admit(facts({ message: message({ eta: before, expires: later }) })).kind).toBe('run');
    expect(admit(facts({ message: message({ eta: new Date(now) }) })).kind).toBe('run');
  });

  it('as long as fewer workers died of it than are allowed', () => {
    expect(admit(facts({ strikes: 4 })).kind).toBe('run');
  });
});

describe('a message is not run', () => {
  it('when it cannot be decoded', () => {
    const refusal = { reason: 'body', detail: 'no JSON' } as const;
    expect(admit(facts({ message: { ok: false, refusal }, finished: ended, strikes: 9 }))).toEqual({
      kind: 'undecodable',
      refusal,
    });
  });

  it('when it came back and its result is recorded, however it looks otherwise', () => {
    expect(admit(facts({ finished: ended, strikes: 9, task: undefined })).kind).toBe('finished');
    expect(admit(facts({ finished: ended, message: message({ expires: before }) })).kind).toBe('finished');
  });

  it('when it has expired, also at the very moment', () => {
    expect(admit(facts({ message: message({ expires: before }) })).kind).toBe('expired');
    expect(admit(facts({ message: message({ expires: new Date(now) }) })).kind).toBe('expired');
  });

  it('when it expires before its eta, and that has passed', () => {
    expect(admit(facts({ message: message({ eta: later, expires: before }) })).kind).toBe('expired');
  });

  it('when as many workers died of it as are allowed', () => {
    expect(admit(facts({ strikes: 5 }))).toMatchObject({ kind: 'deadly', strikes: 5 });
  });

  it('before its eta, even if nobody knows its task yet', () => {
    expect(admit(facts({ message: message({ eta: later }) }))).toMatchObject({ kind: 'early', until: later });
    expect(admit(facts({ message: message({ eta: later }), task: undefined })).kind).toBe('early');
  });
});

describe('a message of an unknown task', () => {
  it('is put aside shortly, then for a second', () => {
    expect(admit(facts({ task: undefined }))).toMatchObject({ kind: 'unknown', until: new Date(now + 25) });
    expect(admit(facts({ task: undefined, parks: 6 }))).toMatchObject({
      kind: 'unknown',
      until: new Date(now + 1000),
    });
  });

  it('is given up when the grace is used up', () => {
    expect(admit(facts({ task: undefined, parks: 100 }))).toMatchObject({ kind: 'unknown', until: null });
  });

  it('is given up at once when there is no grace', () => {
    expect(admit(facts({ task: undefined, unknownGraceMs: 0 }))).toMatchObject({
      kind: 'unknown',
      until: null,
    });
  });
});
