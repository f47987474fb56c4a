// How often the tasks of one name may start in this worker. What may not start yet waits in the store, not in a slot: each message gets
// a moment of its own, and comes back for it.

/** So many messages have a moment at a time; the others ask again when the last of these has come. */
const maxPromised = 1000;
/** A moment that nobody came for is over after this time: another worker has the message. */
const forgetMs = 30_000;

interface Limit {
  intervalMs: number;
  /** When the next may start. */
  nextMs: number;
  readonly promised: Map<string, number>;
}

export class RateLimits {
  readonly #limits = new Map<string, Limit>();
  /** Set while the worker runs; they go before the tasks' own. `null`: none. */
  readonly #said = new Map<string, number | null>();

  /** From now on tasks of this name start so often in a second; null: as often as they come. Celery's `rate_limit` command. */
  set(task: string, perSecond: number | null): void {
    this.#said.set(task, perSecond);
    this.#limits.delete(task);
  }

  /** What holds for tasks of this name, which say `own` of themselves. */
  rateOf(task: string, own: number | null): number | null {
    const said = this.#said.get(task);
    return said === undefined ? own : said;
  }

  /** Whether this message may start now; else when it may. Times are milliseconds. */
  askFor(task: string, own: number | null, id: string, now: number): number | null {
    if (own === null && this.#said.size === 0) return null;
    const rate = this.rateOf(task, own);
    if (rate === null) return null;
    const limit = this.#limitOf(task, 1000 / rate, now);
    const promised = limit.promised.get(id);
    if (promised !== undefined) {
      if (promised > now) return promised;
      limit.promised.delete(id);
      return null;
    }
    if (limit.nextMs <= now && limit.promised.size === 0) {
      limit.nextMs = now + limit.intervalMs;
      return null;
    }
    forget(limit.promised, now - forgetMs);
    if (limit.promised.size >= maxPromised) return limit.nextMs;
    const at = Math.max(limit.nextMs, now);
    limit.nextMs = at + limit.intervalMs;
    if (at <= now) return null;
    limit.promised.set(id, at);
    return at;
  }

  #limitOf(task: string, intervalMs: number, now: number): Limit {
    let limit = this.#limits.get(task);
    if (limit === undefined) {
      limit = { intervalMs, nextMs: now, promised: new Map() };
      this.#limits.set(task, limit);
    }
    return limit;
  }
}

function forget(promised: Map<string, number>, before: number): void {
  for (const [id, at] of promised) {
    if (at >= before) return; // they are in the order of their moments
    promised.delete(id);
  }
}
