import { BrokerUnavailable } from '../../../errors.ts';
import { systemClock } from '../../../lib/clock.ts';
import { withDeadline } from '../../../lib/deadline.ts';
import { retrying } from '../../../lib/retry.ts';
import { type RedisConnection, ReplyLost } from './connection.ts';

const retryPolicy = { factor: 20, maximum: 500, jitter: true } as const;

/**
 * Calls the server until the deadline, for calls that may be done twice: again when the answer was lost, and while the server
 * starts, fails over or is busy.
 * @throws BrokerUnavailable: refused, or no answer in time
 */
export async function repeat<T>(
  { settings }: RedisConnection,
  untilMs: number,
  ask: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const left = (): number => untilMs - performance.now();
  const once = (): Promise<T> => {
    const leftMs = Math.max(1, left());
    // The connection heeds the deadline; this one is for a library that does not return.
    return withDeadline(leftMs + graceMs, ask(leftMs), () => new ReplyLost('in time'));
  };
  const mayPass = (error: unknown): boolean => (error instanceof ReplyLost || passes(error)) && left() > 0;
  try {
    return await retrying(once, { policy: retryPolicy, clock: systemClock, when: mayPass, leftMs: left });
  } catch (error) {
    if (!(error instanceof ReplyLost)) throw error;
    throw new BrokerUnavailable(`${settings.shown} did not answer in time`, { cause: error });
  }
}

/** The deadline of a call that has none of its own, milliseconds. */
const askedMs = 10_000;

/** Reads, for up to ten seconds. @throws as {@link repeat} */
export function reading<T>(connection: RedisConnection, ask: (timeoutMs: number) => Promise<T>): Promise<T> {
  return repeat(connection, performance.now() + askedMs, ask);
}

/**
 * Makes a change whose reply counts what was changed, and which therefore must not be repeated.
 * @throws BrokerUnavailable: refused; or the answer was lost, which the message says
 */
export async function changing<T>({ settings }: RedisConnection, change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (!(error instanceof ReplyLost)) throw error;
    throw new BrokerUnavailable(
      `${settings.shown} did not answer; what was asked for may have been done: look before you ask again`,
      { cause: error },
    );
  }
}

/** Errors that pass soon, or after which the connection turns to another server. */
function passes(error: unknown): boolean {
  if (!(error instanceof BrokerUnavailable) || !(error.cause instanceof Error)) return false;
  return /^(?:LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|READONLY)\b/.test(error.cause.message);
}

/** So that the connection, which knows more, speaks first. */
const graceMs = 1000;
