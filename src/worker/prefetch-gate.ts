/** Lets so many through at a time; the others wait in the order of their coming. For what a worker has fetched ahead. */
export class PrefetchGate {
  #size: number;
  #inside = 0;
  #closed = false;
  readonly #waiting: ((enters: boolean) => void)[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves when it may go on; false: it was closed meanwhile. */
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

  /** Sends away who waits, and who comes from now on. */
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
