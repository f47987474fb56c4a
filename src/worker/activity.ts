// What a worker has done since it started: for `stats` and heartbeats.

export class Activity {
  readonly startedAt: number;
  readonly #total = new Map<string, number>();
  readonly #expiring = new Map<string, number>();
  #processed = 0;

  /** `now`: milliseconds since 1970. */
  constructor(now: number) {
    this.startedAt = now;
  }

  /** A task has begun. */
  count(task: string): void {
    this.#processed++;
    this.#total.set(task, (this.#total.get(task) ?? 0) + 1);
  }

  /** A message came with an expiration of its own: where the broker heeds it, those that came too late have vanished there. */
  countExpiring(queue: string): void {
    this.#expiring.set(queue, (this.#expiring.get(queue) ?? 0) + 1);
  }

  /** How many such have come, by queue. */
  get expiring(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#expiring);
  }

  /** How many have begun. */
  get processed(): number {
    return this.#processed;
  }

  get total(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#total);
  }
}
