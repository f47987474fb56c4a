/** Lets a number of deliveries through at a time; the others wait in their order. For messages that were fetched ahead. */
export class PrefetchGate {
  #size: number;
  #inside = 0;
  #closed = false;
  readonly #waiting: ((enters: boolean) => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves when the delivery may go on; false: the gate was closed meanwhile. */
  enter(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    if (this.#inside >= this.#size) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#inside++;
    return Promise.resolve(true);
  }

  leave(): void {
    this.#inside--;
    this.#letIn();
  }

  resize(size: number): void {
    this.#size = size;
    this.#letIn();
  }

  /** Turns away all that wait, and all that come from now on. */
  close(): void {
    this.#closed = true;
    for (const turn of this.#waiting.splice(0)) turn(false);
  }

  #letIn(): void {
    while (this.#inside < this.#size) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inside++;
      next(true);
    }
  }
}
