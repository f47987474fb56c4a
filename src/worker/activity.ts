// What a worker has done since it started: for `stats` and heartbeats.

export class Activity {
  readonly startedAt: number;
  readonly #total = new Map<string, number>();
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

  /** How many have begun. */
  get processed(): number {
    return this.#processed;
  }

  get total(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#total);
  }
}
