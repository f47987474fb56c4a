/** A pause that keeps the process alive only on request. */
export class IdlePause {
  #timer: NodeJS.Timeout | null = null;
  #keeps: boolean;

  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  keep(keeps: boolean): void {
    this.#keeps = keeps;
    if (keeps) this.#timer?.ref();
    else this.#timer?.unref();
  }

  /** Ends early, without an error, when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        this.#timer = null;
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#timer = timer;
      if (!this.#keeps) timer.unref();
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
