// How often tasks of one name may start in this worker. A message that may not start yet waits in the store, not in a slot: it gets a
// reserved time, and is delivered again at that time.

/** The number of reservations; further messages ask again at the last reserved time. */
const maxReservations = 1000;
/** A reservation that was not used for this time ends, milliseconds: another worker has the message. */
const forgetMs = 30_000;

interface Limit {
  intervalMs: number;
  /** When the next task may start, milliseconds since 1970. */
  nextMs: number;
  readonly reserved: Map<string, number>;
}

export class RateLimits {
  readonly #limits = new Map<string, Limit>();
  /** Rates set while the worker runs; they replace the tasks' own. `null`: no limit. */
  readonly #overrides = new Map<string, number | null>();

  /** Limits tasks of this name to `perSecond` starts per second; null: no limit. Celery's `rate_limit` command. */
  set(task: string, perSecond: number | null): void {
    this.#overrides.set(task, perSecond);
    this.#limits.delete(task);
  }

  /** The rate of tasks of this name whose own option is `own`, starts per second. */
  rateOf(task: string, own: number | null): number | null {
    const override = this.#overrides.get(task);
    return override === undefined ? own : override;
  }

  /** Null: this message may start now; otherwise the time at which it may. Times are milliseconds since 1970. */
  askFor(task: string, own: number | null, id: string, now: number): number | null {
    if (own === null && this.#overrides.size === 0) return null;
    const rate = this.rateOf(task, own);
    if (rate === null) return null;
    const limit = this.#limitOf(task, 1000 / rate, now);
    const reserved = limit.reserved.get(id);
    if (reserved !== undefined) {
      if (reserved > now) return reserved;
      limit.reserved.delete(id);
      return null;
    }
    if (limit.nextMs <= now && limit.reserved.size === 0) {
      limit.nextMs = now + limit.intervalMs;
      return null;
    }
    forget(limit.reserved, now - forgetMs);
    if (limit.reserved.size >= maxReservations) return limit.nextMs;
    const at = Math.max(limit.nextMs, now);
    limit.nextMs = at + limit.intervalMs;
    if (at <= now) return null;
    limit.reserved.set(id, at);
    return at;
  }

  #limitOf(task: string, intervalMs: number, now: number): Limit {
    let limit = this.#limits.get(task);
    if (limit === undefined) {
      limit = { intervalMs, nextMs: now, reserved: new Map() };
      this.#limits.set(task, limit);
    }
    return limit;
  }
}

function forget(reserved: Map<string, number>, before: number): void {
  for (const [id, at] of reserved) {
    if (at >= before) return; // they are in the order of their times
    reserved.delete(id);
  }
}
