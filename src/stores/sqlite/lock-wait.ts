// How often the lock of an embedded store is tried that others hold.

/** Milliseconds: until nobody has committed for so long, the lock is tried all the time. */
const shortMs = 100;
/** What part of the time since the last commit passes until the next try. */
const share = 1 / 20;
const longestMs = 250;

/**
 * Beside others who commit it is tried often: who comes seldom would have its turn last of all. Where nobody commits, one holds the lock for
 * long, a backup or a shell that somebody left open, and it is tried ever more seldom.
 */
export class LockWait {
  #version: number | null = null;
  #sinceMs = 0;

  /** Milliseconds until the next try. `version`: another one after each commit of anybody (`PRAGMA data_version`). */
  pauseMs(version: number, nowMs: number, random: () => number = Math.random): number {
    if (version !== this.#version) {
      this.#version = version;
      this.#sinceMs = nowMs;
    }
    const quietMs = nowMs - this.#sinceMs;
    const meanMs = quietMs < shortMs ? 2 : Math.min(longestMs, quietMs * share);
    return meanMs * (0.5 + random());
  }

  /** Whether the one who holds the lock has had it for so long that nobody need be quick. */
  isLong(nowMs: number): boolean {
    return this.#version !== null && nowMs - this.#sinceMs >= shortMs;
  }

  /** The lock was free. */
  over(): void {
    this.#version = null;
  }
}
