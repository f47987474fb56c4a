// A task that this worker does not know may be known to one that starts in a minute: during a deployment, the new
// senders are often up before the new workers. So its message is deferred for a while before it is given up.

const firstDelaysMs = [1000, 2000, 4000, 8000];
const laterDelayMs = 10_000;

/**
 * Whoever has waited longest for a message gets it, and who has just put one aside has waited least: a few short delays take it
 * round to all that wait, also to a Python worker, before a long one begins.
 */
const rounds = 6;
const roundMs = 25;

/**
 * For how long to defer a message that was deferred `deferrals` times before: a few times shortly, then for 1 s; the same with 2, 4,
 * 8, then 10 s, until `graceMs` is used up. `null`: it is.
 */
export function deferDelayMs(deferrals: number, graceMs: number): number | null {
  let usedMs = 0;
  for (let index = 0; index < deferrals && usedMs < graceMs; index++) usedMs += delayMs(index);
  const leftMs = graceMs - usedMs;
  return leftMs <= 0 ? null : Math.min(delayMs(deferrals), leftMs);
}

function delayMs(deferrals: number): number {
  if (deferrals % (rounds + 1) < rounds) return roundMs;
  return firstDelaysMs[Math.floor(deferrals / (rounds + 1))] ?? laterDelayMs;
}

const oncePerMs = 60_000;
const namesKept = 1000;

/** Lets the first mention of a name through, then one a minute, so that a flood of messages is not a flood of lines. */
export class OncePerMinute {
  readonly #lastMs = new Map<string, number>();

  allows(name: string, nowMs: number): boolean {
    const last = this.#lastMs.get(name);
    if (last !== undefined && nowMs - last < oncePerMs) return false;
    this.#lastMs.delete(name);
    this.#lastMs.set(name, nowMs);
    // Names come from messages: whoever can send can invent them. Keep the newest only.
    if (this.#lastMs.size > namesKept)
      for (const oldest of this.#lastMs.keys()) {
        this.#lastMs.delete(oldest);
        break;
      }
    return true;
  }
}
