// How often a process tries to take the write lock of an embedded store while another process holds it.

/** After this time without a commit of any process, milliseconds, tries become less frequent. */
const shortMs = 100;
/** The delay until the next try, as a share of the time since the last commit. */
const share = 1 / 20;
const longestMs = 250;

/**
 * While other processes commit, the lock is tried often, since a process that tries rarely would get it last. When no process commits, one of
 * them holds the lock for long (a backup, or a shell that was left open), and the lock is tried less and less often.
 */
export class LockWait {
  #version: number | null = null;
  #sinceMs = 0;

  /** Milliseconds until the next try. `version` changes with each commit of any process (`PRAGMA data_version`). */
  pauseMs(version: number, nowMs: number, random: () => number = Math.random): number {
    if (version !== this.#version) {
      this.#version = version;
      this.#sinceMs = nowMs;
    }
    const quietMs = nowMs - this.#sinceMs;
    const meanMs = quietMs < shortMs ? 2 : Math.min(longestMs, quietMs * share);
    return meanMs * (0.5 + random());
  }

  /** Whether the lock has been held for so long that tries need not be frequent. */
  isLong(nowMs: number): boolean {
    return this.#version !== null && nowMs - this.#sinceMs >= shortMs;
  }

  /** The lock was taken: the wait is over. */
  over(): void {
    this.#version = null;
  }
}
