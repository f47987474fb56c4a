import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';

interface StopRules {
  /** Setting `workerSoftShutdownTimeout`; 0: there is no soft stop. */
  readonly softMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The request to stop: warm at first; soft and cold come after it. */
export class StopRequest {
  readonly #rules: StopRules;
  readonly #leaving = new AbortController();
  /** Aborted when runs are to be given back. */
  readonly cold: AbortController = new AbortController();
  readonly #done = new AbortController();
  #isSoft = false;

  constructor(rules: StopRules) {
    this.#rules = rules;
  }

  /** Aborted when the worker is to stop. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  get how(): 'warm' | 'soft' | 'cold' {
    if (this.cold.signal.aborted) return 'cold';
    return this.#isSoft ? 'soft' : 'warm';
  }

  ask({ soft = false, cold = false }: { readonly soft?: boolean; readonly cold?: boolean }): void {
    if (cold) this.cold.abort();
    else if (soft) this.#soften();
    this.#leaving.abort();
  }

  /** The worker has stopped. */
  done(): void {
    this.#done.abort();
  }

  #soften(): void {
    if (this.#isSoft || this.cold.signal.aborted) return;
    this.#isSoft = true;
    const { clock, softMs } = this.#rules;
    if (softMs === 0) this.cold.abort();
    else
      clock.sleep(softMs, this.#done.signal).then(
        () => this.#endSoft(),
        () => undefined,
      );
  }

  #endSoft(): void {
    const { logger, softMs } = this.#rules;
    if (!this.cold.signal.aborted)
      logger.warn(
        { softMs },
        `the shutdown is not done after ${softMs / 1000} s: giving back the tasks that run`,
      );
    this.cold.abort();
  }
}
