// A worker that starts in a minute may know a task that this one does not know: in a deployment new senders often run before new workers. So
// the message is deferred for a while before it becomes a dead letter.

const firstDelaysMs = [1000, 2000, 4000, 8000];
const laterDelayMs = 10_000;

/**
 * The worker that has waited longest for a message gets it, and the one that has just deferred it has waited least. So a few short delays offer
 * it to all waiting workers, also Python's, before a long delay begins.
 */
const rounds = 6;
const roundMs = 25;

/**
 * For how long to defer a message that was deferred `deferrals` times before, milliseconds: some short delays, then 1 s; the same with 2, 4, 8, then
 * 10 s, until `graceMs` is used up. `null`: it is used up.
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

/** Lets a name through the first time, and then once a minute, so that a flood of messages is no flood of log lines. */
export class OncePerMinute {
  readonly #lastMs = new Map<string, number>();

  allows(name: string, nowMs: number): boolean {
    const last = this.#lastMs.get(name);
    if (last !== undefined && nowMs - last < oncePerMs) return false;
    this.#lastMs.delete(name);
    this.#lastMs.set(name, nowMs);
    // Names come from messages, and senders can invent them: keep the newest only.
    if (this.#lastMs.size > namesKept)
      for (const oldest of this.#lastMs.keys()) {
        this.#lastMs.delete(oldest);
        break;
      }
    return true;
  }
}
