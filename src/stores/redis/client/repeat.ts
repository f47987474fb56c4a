import { BrokerUnavailable } from '../../../errors.ts';
import { backoffDelay } from '../../../lib/backoff.ts';
import { withDeadline } from '../../../lib/deadline.ts';
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
  for (let tries = 0; ; tries++) {
    try {
      const leftMs = Math.max(1, untilMs - performance.now());
      // The connection minds the deadline; this one is for a library that does not come back.
      return await withDeadline(leftMs + graceMs, ask(leftMs), () => new ReplyLost('in time'));
    } catch (error) {
      const lost = error instanceof ReplyLost;
      if (!lost && !passes(error)) throw error;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0)
        throw lost
          ? new BrokerUnavailable(`${settings.shown} did not answer in time`, { cause: error })
          : error;
      const delayMs = Math.min(leftMs, backoffDelay(retryPolicy, tries));
      await new Promise((done) => setTimeout(done, delayMs));
    }
  }
}

/** What a server says that soon says something else, or from which the connection turns away to another. */
function passes(error: unknown): boolean {
  if (!(error instanceof BrokerUnavailable) || !(error.cause instanceof Error)) return false;
  return /^(?:LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|READONLY)\b/.test(error.cause.message);
}

/** So that the connection, which knows more, speaks first. */
const graceMs = 1000;
