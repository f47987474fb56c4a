import { BrokerUnavailable } from '../../../errors.ts';
import { systemClock } from '../../../lib/clock.ts';
import { withDeadline } from '../../../lib/deadline.ts';
import { retrying } from '../../../lib/retry.ts';
import { type RedisConnection, ReplyLost } from './connection.ts';

const retryPolicy = { factor: 20, maximum: 500, jitter: true } as const;

/**
 * Asks the server for what may be done twice, until the deadline: again when the answer was lost, and while the server
 * starts, fails over or is busy.
 * @throws BrokerUnavailable: refused, or no answer in time.
 */
export async function repeat<T>(
  { settings }: RedisConnection,
  untilMs: number,
  ask: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  const left = (): number => untilMs - performance.now();
  const once = (): Promise<T> => {
    const leftMs = Math.max(1, left());
    // The connection minds the deadline; this one is for a library that does not come back.
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

/** How long a question is asked for whose asker names no deadline. */
const askedMs = 10_000;

/** Reads: what may be done again for ten seconds. @throws as {@link repeat} */
export function reading<T>(connection: RedisConnection, ask: (timeoutMs: number) => Promise<T>): Promise<T> {
  return repeat(connection, performance.now() + askedMs, ask);
}

/**
 * Does what says how much it did, so that it must not be done twice.
 * @throws BrokerUnavailable: refused; or the answer was lost, and it says so.
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

/** What a server says that soon says something else, or from which the connection turns away to another. */
function passes(error: unknown): boolean {
  if (!(error instanceof BrokerUnavailable) || !(error.cause instanceof Error)) return false;
  return /^(?:LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|READONLY)\b/.test(error.cause.message);
}

/** So that the connection, which knows more, speaks first. */
const graceMs = 1000;
