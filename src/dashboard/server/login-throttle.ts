// How often somebody may guess. Pure: the time is given, milliseconds of any clock that only goes forward.

/** Failures after which a pause begins. */
const freeGuesses = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 60_000;
/** After so long without a failure all is forgotten. */
const forgetMs = 15 * 60_000;
/** Who is counted; above that, who failed the longest ago is forgotten. */
const mostCounted = 10_000;

interface Failures {
  readonly count: number;
  readonly lastAt: number;
}

export class LoginThrottle {
  readonly #failures = new Map<string, Failures>();

  /** How long this one has to wait before the next guess is looked at, milliseconds; 0: not at all. */
  pauseOf(who: string, now: number): number {
    const { count = 0, lastAt = 0 } = this.#failures.get(who) ?? {};
    if (count < freeGuesses) return 0;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (count - freeGuesses));
    return Math.max(0, lastAt + pauseMs - now);
  }

  failed(who: string, now: number): void {
    const known = this.#failures.get(who);
    const count = known === undefined || now - known.lastAt > forgetMs ? 0 : known.count;
    this.#failures.delete(who);
    this.#failures.set(who, { count: Math.min(count + 1, 100), lastAt: now });
    const [first] = this.#failures.keys();
    if (this.#failures.size > mostCounted && first !== undefined) this.#failures.delete(first);
  }

  succeeded(who: string): void {
    this.#failures.delete(who);
  }
}
