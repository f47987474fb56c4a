import { describe, expect, it } from 'vitest';
import { App } from '../../../src/app/app.ts';
import type { ResultRecord } from '../../../src/protocol/result-meta.ts';
import { Admission, type Answer } from '../../../src/worker/admission/admission.ts';
import { type AdmissionParts, admissionChecks } from '../../../src/worker/admission/checks.ts';
import { Held } from '../../../src/worker/held.ts';
import { Retrier } from '../../../src/worker/retrier.ts';
import { Settler } from '../../../src/worker/settler.ts';
import { Slots } from '../../../src/worker/slots.ts';
import { FakeClock } from '../fake-clock.ts';
import { FakeStore } from '../fake-store.ts';
import { MemoryLog } from '../memory-log.ts';
import { someMessage } from '../some-message.ts';

const now = Date.parse('2026-11-21T12:00:00Z');
const later = new Date(now + 1000);
const before = new Date(now - 1000);
/** Its result is recorded. */
const ended: ResultRecord = {
  taskId: 'a',
  status: 'SUCCESS',
  result: 1,
  traceback: null,
  children: [],
  dateDone: null,
};
const app = new App('shop', { broker: 'memory://' });
app.task('shop.add', (x: number, y: number) => x + y);
const task = app.tasks.get('shop.add');

interface Facts {
  readonly message?: Parameters<typeof someMessage>[0];
  readonly task?: typeof task;
  readonly finished?: ResultRecord;
  readonly revoked?: boolean;
  readonly pausedSince?: Date;
  readonly crashes?: number;
  readonly deferrals?: number;
  readonly unknownGraceMs?: number;
  readonly limitedUntilMs?: number;
  /** When another worker's limits let it. */
  readonly clusterUntilMs?: number;
  readonly asked?: string[];
}

/** What the checks say of a message with these facts; `asked`: the limits that were asked, in their order. */
function admitted(facts: Facts = {}): Promise<Answer> {
  const { finished = null, crashes = 0, deferrals = 0, unknownGraceMs = 60_000, asked = [] } = facts;
  const clock = new FakeClock(now);
  const store = new FakeStore({ together: true });
  store.stored = finished ?? undefined;
  const cluster = {
    asksOf: () => [],
    take: async () => {
      asked.push('cluster');
      return facts.clusterUntilMs ?? { token: 'permit', asks: [] };
    },
    release: () => undefined,
  };
  const parts: AdmissionParts = {
    config: {
      ...app.config,
      workerMaxDeliveries: 5,
      workerUnknownTaskGrace: unknownGraceMs / 1000,
    },
    settler: new Settler(store.transport, store.backend, new Retrier(clock, new MemoryLog())),
    stallDetector: { maybeFenced: false },
    duplicates: { await: async () => undefined },
    revocations: { has: () => facts.revoked ?? false },
    pauses: { since: () => facts.pausedSince ?? null },
    rateLimits: {
      askFor: () => {
        asked.push('rate');
        return facts.limitedUntilMs ?? null;
      },
    },
    cluster,
    clock,
  };
  const candidate = {
    delivery: store.delivery({ redelivered: finished !== null, crashes, deferrals }),
    message: someMessage(facts.message),
    task: 'task' in facts ? facts.task : task,
    held: new Held({ slots: new Slots(1), prefetchGate: null, cluster }),
  };
  return new Admission(app, admissionChecks(parts)).admit(candidate);
}

describe('a message is admitted', () => {
  it('but later, if its rate limit says so', async () => {
    expect(await admitted({ limitedUntilMs: 5000 })).toMatchObject({
      kind: 'limited',
      until: new Date(5000),
    });
  });

  it('when its task is known and nothing speaks against it', async () => {
    expect(await admitted()).toBeNull();
  });

  it('when its eta has come and its expiry has not', async () => {
    expect(await admitted({ message: { eta: before, expires: later } })).toBeNull();
    expect(await admitted({ message: { eta: new Date(now) } })).toBeNull();
  });

  it('as long as fewer workers died of it than are allowed', async () => {
    expect(await admitted({ crashes: 4 })).toBeNull();
  });
});

describe('a message is not run', () => {
  it('when it came back and its result is recorded, however it looks otherwise', async () => {
    expect(await admitted({ finished: ended, crashes: 9, task: undefined })).toMatchObject({
      kind: 'finished',
    });
    expect(await admitted({ finished: ended, message: { expires: before } })).toMatchObject({
      kind: 'finished',
    });
  });

  it('when it has expired, also at the very moment', async () => {
    expect(await admitted({ message: { expires: before } })).toMatchObject({ kind: 'expired' });
    expect(await admitted({ message: { expires: new Date(now) } })).toMatchObject({ kind: 'expired' });
  });

  it('when it expires before its eta, and that has passed', async () => {
    expect(await admitted({ message: { eta: later, expires: before } })).toMatchObject({ kind: 'expired' });
  });

  it('when as many workers died of it as are allowed', async () => {
    expect(await admitted({ crashes: 5 })).toMatchObject({ kind: 'deadly', crashes: 5 });
  });

  it('before its eta, even if nobody knows its task yet', async () => {
    expect(await admitted({ message: { eta: later } })).toMatchObject({ kind: 'early', until: later });
    expect(await admitted({ message: { eta: later }, task: undefined })).toMatchObject({ kind: 'early' });
  });
});

describe('a message of a paused task', () => {
  it('goes back for as long as the pause has lasted, within bounds, also if nobody here knows the task', async () => {
    const until = async (ms: number): Promise<unknown> => {
      const answer = await admitted({ pausedSince: new Date(now - ms), task: undefined });
      return answer !== null && 'until' in answer ? [answer.kind, Number(answer.until) - now] : answer;
    };
    expect(await until(0)).toEqual(['paused', 5_000]);
    expect(await until(60_000)).toEqual(['paused', 60_000]);
    expect(await until(86_400_000)).toEqual(['paused', 300_000]);
    expect(await until(-60_000)).toEqual(['paused', 5_000]); // another clock is ahead
  });

  it('ends if it is revoked', async () => {
    expect(await admitted({ pausedSince: before, revoked: true })).toMatchObject({ kind: 'revoked' });
  });
});

describe('a message of an unknown task', () => {
  it('is deferred shortly, then for a second', async () => {
    expect(await admitted({ task: undefined })).toMatchObject({ kind: 'unknown', until: new Date(now + 25) });
    expect(await admitted({ task: undefined, deferrals: 6 })).toMatchObject({
      kind: 'unknown',
      until: new Date(now + 1000),
    });
  });

  it('is given up when the grace is used up', async () => {
    expect(await admitted({ task: undefined, deferrals: 100 })).toMatchObject({
      kind: 'unknown',
      until: null,
    });
  });

  it('is given up at once when there is no grace', async () => {
    expect(await admitted({ task: undefined, unknownGraceMs: 0 })).toMatchObject({
      kind: 'unknown',
      until: null,
    });
  });
});

describe('a limit', () => {
  it('is asked last, so that a message that is rejected for another reason uses none up', async () => {
    const asked: string[] = [];
    await admitted({ revoked: true, asked });
    await admitted({ message: { eta: later }, asked });
    await admitted({ task: undefined, asked });
    expect(asked).toEqual([]);
    await admitted({ asked });
    expect(asked).toEqual(['rate', 'cluster']);
  });

  it('of all workers is not asked for what the own rate limit defers', async () => {
    const asked: string[] = [];
    await admitted({ limitedUntilMs: 5000, asked });
    expect(asked).toEqual(['rate']);
    expect(await admitted({ clusterUntilMs: 5000 })).toMatchObject({
      kind: 'limited',
      until: new Date(5000),
    });
  });
});
