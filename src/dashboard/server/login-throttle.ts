// Limits how often a client may try passwords. Pure: `now` is in milliseconds of a monotonic clock.

/** Failures after which a pause begins. */
const freeGuesses = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 60_000;
/** A client's failures are forgotten this long after its last failure. */
const forgetMs = 15 * 60_000;
/** Clients with failures. Above this number, the client with the oldest failure is forgotten. */
const maxClients = 10_000;

interface Failures {
  readonly count: number;
  readonly lastAt: number;
}

export class LoginThrottle {
  readonly #failures = new Map<string, Failures>();

  /** Milliseconds until the client may try again; 0: now. */
  pauseOf(client: string, now: number): number {
    const { count = 0, lastAt = 0 } = this.#failures.get(client) ?? {};
    if (count < freeGuesses) return 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (count - freeGuesses));
    return Math.max(0, lastAt + pauseMs - now);
  }

  failed(client: string, now: number): void {
    const known = this.#failures.get(client);
    const count = known === undefined || now - known.lastAt > forgetMs ? 0 : known.count;
    this.#failures.delete(client);
    this.#failures.set(client, { count: Math.min(count + 1, 100), lastAt: now });
    const [first] = this.#failures.keys();
    if (this.#failures.size > maxClients && first !== undefined) this.#failures.delete(first);
  }

  succeeded(client: string): void {
    this.#failures.delete(client);
  }
}
