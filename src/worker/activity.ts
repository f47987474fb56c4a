// Counts what a worker has done since it started: for `stats` and heartbeats.

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

  /** A message with an expiration of its own has come. A broker that heeds expirations has dropped those that were too late. */
  countExpiring(queue: string): void {
    this.#expiring.set(queue, (this.#expiring.get(queue) ?? 0) + 1);
  }

  /** The number of such messages, by queue. */
  get expiring(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#expiring);
  }

  /** The number of tasks that have begun. */
  get processed(): number {
    return this.#processed;
  }

  get total(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#total);
  }
}
