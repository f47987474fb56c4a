// One row for each outcome and policy: what counts, what is written, what follows.
import { describe, expect, it } from 'vitest';
import { Retry } from '../../src/app/running/outcome.ts';
import { TimeLimitExceeded } from '../../src/errors.ts';
import { storedSignature } from '../../src/protocol/workflow-wire.ts';
import { publication } from '../../src/testing/conformance.ts';
import type { Rejection } from '../../src/worker/admission/admission.ts';
import {
  continuationOf,
  continuationOfFault,
  continuationOfRejection,
} from '../../src/worker/continuation.ts';
import { applyAckPolicy, type ExecutionOutcome, failureOf } from '../../src/worker/outcome.ts';
import { Records } from '../../src/worker/records.ts';
import {
  type SettlementPlan,
  settlementOf,
  settlementOfFault,
  settlementOfRejection,
  settlementOfUndecodable,
} from '../../src/worker/settlement.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeStore } from './fake-store.ts';
import { someMessage } from './some-message.ts';

const { embed } = someMessage();
const message = someMessage({ embed: { ...embed, chain: [storedSignature('the rest')] } });
const records = new Records({ worker: 'celery@here', extended: false, clock: new FakeClock() });
const until = new Date(5000);

interface Policy {
  /** Acknowledged before it runs. */
  readonly early?: boolean;
  readonly acksOnFailure?: boolean;
  readonly acksOnTimeout?: boolean;
  readonly rejectOnWorkerLost?: boolean;
  readonly ignoresResult?: boolean;
  readonly keepsErrors?: boolean;
  readonly interrupted?: boolean;
  readonly crashes?: number;
}

/** `action [STATE of its record] [what is sent] -> what follows`. */
function endOf(outcome: ExecutionOutcome, policy: Policy = {}): string {
  const {
    early = false,
    interrupted = false,
    crashes = 0,
    ignoresResult = false,
    keepsErrors = false,
  } = policy;
  const { acksOnFailure = true, acksOnTimeout = true, rejectOnWorkerLost = true } = policy;
  const options = { acksOnFailure, acksOnTimeout, rejectOnWorkerLost };
  const counts = applyAckPolicy(outcome, options, { early, interrupted, crashes, maxDeliveries: 3 });
  const subject = { message, queue: 'celery', ignoresResult, keepsErrors, children: [] };
  const delivery = new FakeStore({ together: true }).delivery({ crashes });
  const plan = settlementOf(counts, { ...subject, delivery, early, task: { options } }, records, {
    retried: () => publication('retry'),
    requeued: () => publication('same'),
  });
  const ended = continuationOf(counts);
  return `${planned(plan)} -> ${followed(ended)}`;
}

function planned({ action, record, publish }: SettlementPlan): string {
  const words: string[] = [action.kind];
  if (action.kind === 'dead') words.push(action.reason);
  if (action.kind === 'release' && action.until !== null) words.push('later');
  if (action.kind === 'release' && action.deferred) words.push('deferred');
  if (action.kind === 'release' && action.crashed === true) words.push('crash');
  if (record !== null) words.push(record.status);
  if (publish !== null) words.push(`+${publish.id}`);
  return words.join(' ');
}

function followed(ended: ReturnType<typeof continuationOf>): string {
  if (ended === null) return 'nothing';
  return ended.kind === 'failure' ? `${ended.status} ${ended.error.exc_type}` : ended.kind;
}

const failed = failureOf(new RangeError('too far'));
const timeout = failureOf(new TimeLimitExceeded(5));
const retry: ExecutionOutcome = { kind: 'retry', retry: new Retry(until, {}, new Error('not yet')) };
const rejected: ExecutionOutcome = { kind: 'rejected', requeue: false, reason: 'no' };
const lost: ExecutionOutcome = { kind: 'lost', reason: 'signal 11' };
const abandoned: ExecutionOutcome = { kind: 'abandoned' };
const revoked: ExecutionOutcome = { kind: 'revoked', signum: null };

type Row = readonly [policy: Policy, outcome: ExecutionOutcome, end: string];

/** A new kind of outcome does not compile until it has its rows. */
const rows: Readonly<Record<ExecutionOutcome['kind'], readonly Row[]>> = {
  success: [
    [{}, { kind: 'success', value: 1 }, 'ack SUCCESS -> success'],
    [{ early: true }, { kind: 'success', value: 1 }, 'ack SUCCESS -> success'],
    [{ ignoresResult: true }, { kind: 'success', value: 1 }, 'ack -> success'],
    [{ ignoresResult: true, keepsErrors: true }, { kind: 'success', value: 1 }, 'ack -> success'],
  ],
  failure: [
    [{}, failed, 'ack FAILURE -> FAILURE RangeError'],
    [{ ignoresResult: true }, failed, 'ack -> FAILURE RangeError'],
    [{ ignoresResult: true, keepsErrors: true }, failed, 'ack FAILURE -> FAILURE RangeError'],
    [{ acksOnFailure: false }, failed, 'dead failed FAILURE -> FAILURE RangeError'],
    [{ acksOnFailure: false, early: true }, failed, 'ack FAILURE -> FAILURE RangeError'],
    [{ interrupted: true }, timeout, 'ack FAILURE -> FAILURE TimeLimitExceeded'],
    [{ interrupted: true, acksOnFailure: false }, timeout, 'ack FAILURE -> FAILURE TimeLimitExceeded'],
    [{ interrupted: true, acksOnTimeout: false }, timeout, 'release crash -> nothing'],
    [{ interrupted: true, acksOnTimeout: false, crashes: 1 }, timeout, 'release crash -> nothing'],
    [
      { interrupted: true, acksOnTimeout: false, crashes: 2 },
      timeout,
      'dead failed FAILURE -> FAILURE TimeLimitExceeded',
    ],
    [
      { interrupted: true, acksOnTimeout: false, early: true },
      timeout,
      'ack FAILURE -> FAILURE TimeLimitExceeded',
    ],
    // The task threw that error itself: it was not over its limit.
    [{ acksOnTimeout: false }, timeout, 'ack FAILURE -> FAILURE TimeLimitExceeded'],
  ],
  retry: [
    [{}, retry, 'ack RETRY +retry -> nothing'],
    [{ early: true }, retry, 'ack RETRY +retry -> nothing'],
    [{ ignoresResult: true }, retry, 'ack +retry -> nothing'],
    [{ ignoresResult: true, keepsErrors: true }, retry, 'ack RETRY +retry -> nothing'],
    [{ acksOnFailure: false }, retry, 'ack RETRY +retry -> nothing'],
  ],
  ignored: [[{}, { kind: 'ignored' }, 'ack -> ignored']],
  replaced: [[{}, { kind: 'replaced', signature: storedSignature('another') }, 'ack -> replaced']],
  rejected: [
    [{}, rejected, 'dead rejected FAILURE -> FAILURE Reject'],
    [{ early: true }, rejected, 'dead rejected FAILURE -> FAILURE Reject'],
    [{ ignoresResult: true }, rejected, 'dead rejected -> FAILURE Reject'],
    [{}, { ...rejected, requeue: true }, 'ack +same -> nothing'],
  ],
  revoked: [
    [{}, revoked, 'ack REVOKED -> REVOKED TaskRevokedError'],
    [{ ignoresResult: true }, revoked, 'ack -> REVOKED TaskRevokedError'],
  ],
  abandoned: [
    [{}, abandoned, 'release -> nothing'],
    [{ early: true }, abandoned, 'ack FAILURE -> FAILURE WorkerLostError'],
  ],
  lost: [
    [{}, lost, 'release crash -> nothing'],
    [{ early: true }, lost, 'ack FAILURE -> FAILURE WorkerLostError'],
    [{ rejectOnWorkerLost: false }, lost, 'ack FAILURE -> FAILURE WorkerLostError'],
    [{ rejectOnWorkerLost: false, ignoresResult: true }, lost, 'ack -> FAILURE WorkerLostError'],
  ],
  overran: [[{}, { kind: 'overran', seconds: 5 }, 'release crash -> nothing']],
};

describe.each(Object.entries(rows))('a run that ended as %s', (_, ofKind) => {
  it.each(
    ofKind.map(([policy, outcome, end]) => [JSON.stringify(policy), end, policy, outcome] as const),
  )('%s: %s', (_policy, end, policy, outcome) => expect(endOf(outcome, policy)).toBe(end));
});

const success = records.success(
  { message, queue: 'celery', ignoresResult: false, keepsErrors: false, children: [] },
  1,
);
if (success === null) throw new TypeError('its result is kept');
const failure = {
  ...success,
  status: 'FAILURE',
  result: { exc_type: 'RangeError', exc_message: [], exc_module: 'x' },
} as const;

/** `action [STATE of its record] -> what follows where results and messages are in one store -> the same in two`. */
const rejections: Readonly<
  Record<Exclude<Rejection['kind'], 'undecodable'>, readonly (readonly [Rejection, string])[]>
> = {
  finished: [
    [{ kind: 'finished', message, record: success }, 'ack -> nothing -> success'],
    [{ kind: 'finished', message, record: failure }, 'ack -> nothing -> FAILURE RangeError'],
  ],
  expired: [
    [{ kind: 'expired', message }, 'ack REVOKED -> REVOKED TaskRevokedError -> REVOKED TaskRevokedError'],
  ],
  revoked: [
    [{ kind: 'revoked', message }, 'ack REVOKED -> REVOKED TaskRevokedError -> REVOKED TaskRevokedError'],
  ],
  paused: [[{ kind: 'paused', message, until: new Date(0) }, 'release later -> nothing -> nothing']],
  deadly: [
    [
      { kind: 'deadly', message, crashes: 3 },
      'dead max-deliveries FAILURE -> FAILURE WorkerLostError -> FAILURE WorkerLostError',
    ],
  ],
  early: [[{ kind: 'early', message, until }, 'release later -> nothing -> nothing']],
  limited: [[{ kind: 'limited', message, until }, 'release later -> nothing -> nothing']],
  unknown: [
    [{ kind: 'unknown', message, until }, 'release later deferred -> nothing -> nothing'],
    [
      { kind: 'unknown', message, until: null },
      'dead unknown-task FAILURE -> FAILURE NotRegistered -> FAILURE NotRegistered',
    ],
  ],
};

describe('a message that may not run', () => {
  it.each(Object.values(rejections).flat())('$kind: %s', (rejection, end) => {
    if (rejection.kind === 'undecodable') throw new TypeError('it has no message');
    const subject = { message, queue: 'celery', ignoresResult: false, keepsErrors: false, children: [] };
    const plan = settlementOfRejection(rejection, subject, records);
    const [one, two] = [true, false].map((together) =>
      followed(continuationOfRejection(rejection, together)),
    );
    expect(`${planned(plan)} -> ${one} -> ${two}`).toBe(end);
  });

  it('has no followers: nothing follows, whatever is wrong with it', () => {
    const alone = someMessage();
    for (const [rejection] of Object.values(rejections).flat())
      expect(continuationOfRejection({ ...rejection, message: alone } as Rejection, false)).toBeNull(); // of the same kind
    expect(continuationOfFault(alone, 'a fault')).toBeNull();
  });

  it('is undecodable, or the worker failed on it: a dead letter, with a record if its id is known', () => {
    expect(planned(settlementOfUndecodable('json: no', null, records))).toBe('dead undecodable');
    expect(planned(settlementOfUndecodable('json: no', 'a', records))).toBe('dead undecodable FAILURE');
    expect(planned(settlementOfFault(new Error('no'), null, records))).toBe('dead rejected');
    expect(planned(settlementOfFault(new Error('no'), 'a', records))).toBe('dead rejected FAILURE');
    expect(followed(continuationOfFault(message, 'a fault'))).toBe('FAILURE WorkerLostError');
  });
});
