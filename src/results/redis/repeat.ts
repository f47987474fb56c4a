import { type RedisConnection, ReplyLost } from '../../clients/redis/connection.ts';
import { BrokerUnavailable } from '../../errors.ts';
import { backoffDelay } from '../../lib/backoff.ts';

const patience = { factor: 20, maximum: 500, jitter: true } as const;

/**
 * Asks the server for what may be done twice, and again when the answer was lost, until the deadline.
 * @throws BrokerUnavailable: refused, or no answer in time.
 */
export async function repeat<T>(
  { settings }: RedisConnection,
  untilMs: number,
  ask: (timeoutMs: number) => Promise<T>,
): Promise<T> {
  for (let lost = 0; ; lost++) {
    try {
      return await ask(Math.max(1, untilMs - performance.now()));
    } catch (error) {
      if (!(error instanceof ReplyLost)) throw error;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0)
        throw new BrokerUnavailable(`${settings.shown} did not answer in time`, { cause: error });
      const delayMs = Math.min(leftMs, backoffDelay(patience, lost));
      await new Promise((done) => setTimeout(done, delayMs));
    }
  }
}
