// Publishes calls within a time, retries while the broker refuses, and never claims to know more of a send than it does.

import type { CallOptions, RetryPolicy } from '../config/call-options.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { toMs } from '../lib/duration.ts';
import { publishAll } from '../stores/publish-all.ts';
import type { Publication, Transport } from '../stores/transport.ts';
import type { SendingApp } from './sending-app.ts';

export interface PublishRules extends Pick<CallOptions, 'retry' | 'retryPolicy' | 'signal'> {
  /** When all attempts together end, on the clock of `performance.now()`; infinite: the policy and the signal alone decide. */
  readonly untilMs: number;
}

/** The rules in the options of a call, with the defaults of its application. The time begins now. */
export function rulesOf(app: SendingApp, options: CallOptions): PublishRules {
  const timeout =
    options.publishTimeout === undefined ? app.config.taskPublishTimeout : options.publishTimeout;
  const { retry, retryPolicy, signal } = options;
  return {
    untilMs: timeout === null ? Number.POSITIVE_INFINITY : performance.now() + toMs(timeout),
    ...(retry !== undefined && { retry }),
    ...(retryPolicy !== undefined && { retryPolicy }),
    ...(signal !== undefined && { signal }),
  };
}

/** Waits for what must be there before the first call, such as the stores. @throws BrokerUnavailable when the time is over */
export async function within<T>(answer: Promise<T>, { signal, untilMs }: PublishRules): Promise<T> {
  answer.catch(() => undefined); // when nothing waits for it any more
  signal?.throwIfAborted();
  const done = new AbortController();
  const giveUp = (): void => done.abort(signal?.reason);
  signal?.addEventListener('abort', giveUp, { once: true });
  const late = systemClock.sleep(untilMs - performance.now(), done.signal).then(() => {
    throw new BrokerUnavailable('the broker or the result backend was not ready in time; nothing was sent');
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    signal?.removeEventListener('abort', giveUp);
    done.abort();
    late.catch(() => undefined);
  }
}

/**
 * Publishes. Retries by the policy while the broker refuses; also after a missing answer, if a repetition is harmless. Once an answer is
 * missing, no later refusal proves that nothing was sent.
 * @throws BrokerUnavailable, UnroutableError, or the reason of `signal`: nothing was sent
 * @throws SendUnconfirmed: the messages may or may not have been sent
 */
export async function publishCalls(
  transport: Transport,
  publications: readonly Publication[],
  rules: PublishRules,
): Promise<void> {
  const { signal, untilMs } = rules;
  signal?.throwIfAborted();
  let unconfirmed: SendUnconfirmed | null = null;
  // Not `retrying`: the pauses of Celery's `retry_policy` grow by a step and end with a number of retries.
  for (let failures = 0; ; failures++) {
    try {
      const leftMs = Math.max(1, untilMs - performance.now());
      return await publishAll(transport, publications, {
        signal,
        timeoutMs: Number.isFinite(leftMs) ? leftMs : undefined,
      });
    } catch (error) {
      if (error instanceof SendUnconfirmed) unconfirmed = error;
      const delayMs = publishDelayMs(error, failures, rules, isHarmless(transport, publications));
      if (delayMs === null || performance.now() + delayMs >= untilMs) throw unconfirmed ?? error;
      await systemClock.sleep(delayMs, signal).catch((reason: unknown) => {
        throw unconfirmed ?? reason;
      });
    }
  }
}

/** Milliseconds until the next attempt; null: there is none. */
function publishDelayMs(
  error: unknown,
  failures: number,
  { retry, retryPolicy }: PublishRules,
  harmless: boolean,
): number | null {
  if (retry === false) return null;
  if (!(error instanceof BrokerUnavailable) && !(error instanceof SendUnconfirmed && harmless)) return null;
  return policyDelayMs(retryPolicy ?? {}, failures);
}

/** Whether the store would take a second message of the same id for the first. */
function isHarmless({ features }: Transport, publications: readonly Publication[]): boolean {
  return publications.every(({ write, once }) => write !== undefined || (once === true && features.once));
}

function policyDelayMs(policy: RetryPolicy, failures: number): number | null {
  const { maxRetries = 3, intervalStart = 0, intervalStep = 0.2, intervalMax = 1 } = policy;
  if (maxRetries !== null && failures >= maxRetries) return null;
  return Math.min(toMs(intervalMax), toMs(intervalStart) + failures * toMs(intervalStep));
}
