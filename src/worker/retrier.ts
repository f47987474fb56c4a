import { BrokerUnavailable, SendUnconfirmed } from '../errors.ts';
import { type Backoff, backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';

const stoppingRetryMs = 10_000;

/** The pauses before an operation that a store refused is repeated, milliseconds. */
export const storeBackoff: Backoff = { factor: 50, maximum: 5000, jitter: true };

/**
 * Repeats an operation that the store refused until it succeeds: a full disk must cost time, not tasks. It gives up when the lease is lost, or
 * some seconds after the worker was told to stop, so that a broken store does not keep it from stopping.
 */
export class Retrier {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Ends the pauses of operations that had no limit yet; they may be long. */
  readonly #limited = new AbortController();
  #limit: { readonly allowedMs: number; readonly sinceMs: number } | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** From now on no operation is repeated for longer than `allowedMs`. */
  limit(allowedMs: number = stoppingRetryMs): void {
    this.#limit = { allowedMs, sinceMs: this.#clock.monotonic() };
    this.#limited.abort();
  }

  /**
   * `failed` is the error of the first attempt. Resolves with the operation's answer, or `null`: given up.
   * @throws an error that no repetition resolves. An operation that may have been done (SendUnconfirmed) is repeated: twice is better than
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
        this.#logger.error({ err: error }, `cannot ${what}: ${error.message}; retrying`);
      if (lost.aborted || this.#isSpent(sinceMs)) return null;
      await this.#wait(backoff, failures, lost);
      if (lost.aborted) return null;
      try {
        const answer = await operation();
        this.#logger.info({ failures: failures + 1 }, `could ${what} at last`);
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
