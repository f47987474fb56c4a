import { BrokerUnavailable, SendUnconfirmed } from '../errors.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';

const stoppingRetryMs = 10_000;

/** How long to wait before a store that refused is tried again, milliseconds. */
export const storeBackoff: Backoff = { factor: 50, maximum: 5000, jitter: true };

/**
 * Repeats what the store refuses until it works: a full disk must cost time, not tasks. Gives up only when the lease
 * is lost, or some seconds after the worker was told to stop, so that a broken store does not keep it from stopping.
 */
export class Retrier {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Ends the waits that were begun without a limit, which may be long. */
  readonly #limited = new AbortController();
  #limit: { readonly allowedMs: number; readonly sinceMs: number } | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** From now on nothing is repeated for longer than `allowedMs`. */
  limit(allowedMs: number = stoppingRetryMs): void {
    this.#limit = { allowedMs, sinceMs: this.#clock.monotonic() };
    this.#limited.abort();
  }

  /**
   * `failed` is how the first attempt ended. Resolves with the operation's answer, or `null`: given up.
   * @throws at once what no repetition mends. What may have been done (SendUnconfirmed) is done again: twice is better than
   * never.
   */
  async retry<T>(
    what: string,
    lost: AbortSignal,
    failed: unknown,
    operation: () => Promise<T>,
    backoff: Backoff = storeBackoff,
  ): Promise<T | null> {
    const sinceMs = this.#clock.monotonic();
    let error = failed;
    // Not `retrying`: a stop that comes while it pauses ends the pause, changes the policy and sets a limit.
    for (let failures = 0; ; failures++) {
      if (!(error instanceof BrokerUnavailable || error instanceof SendUnconfirmed)) throw error;
      if (failures % 10 === 0)
        this.#logger.error({ err: error }, `cannot ${what}: ${error.message}; trying on`);
      if (lost.aborted || this.#isSpent(sinceMs)) return null;
      await this.#wait(backoff, failures, lost);
      if (lost.aborted) return null;
      try {
        const answer = await operation();
        this.#logger.info({ failures: failures + 1 }, `could ${what} after all`);
        return answer;
      } catch (next) {
        error = next;
      }
    }
  }

  async #wait(backoff: Backoff, failures: number, lost: AbortSignal): Promise<void> {
    const sleep =
      this.#limit === null
        ? this.#clock.sleep(backoffDelay(backoff, failures), AbortSignal.any([lost, this.#limited.signal]))
        : this.#clock.sleep(backoffDelay(storeBackoff, failures), lost);
    await sleep.catch(() => undefined);
  }

  #isSpent(sinceMs: number): boolean {
    if (this.#limit === null) return false;
    return this.#clock.monotonic() - Math.max(sinceMs, this.#limit.sinceMs) >= this.#limit.allowedMs;
  }
}
