// Who waits at this moment: event streams, and requests for a result. When the gateway stops, they all end at once.
import { Problem } from './problem.ts';

/** One who waits. */
export interface Wait {
  /** Aborted when the client has gone or the gateway stops. */
  readonly signal: AbortSignal;
  /** Must be called when the waiting is over. */
  end(): void;
}

export class Waits {
  readonly #limit: number;
  readonly #open = new Set<AbortController>();
  #closed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many wait now. */
  get size(): number {
    return this.#open.size;
  }

  /** @throws Problem 503 when the gateway stops, or too many wait. */
  begin(client: AbortSignal): Wait {
    if (this.#closed) throw new Problem(503, 'the gateway is stopping', { headers: retryAfter });
    if (this.#open.size >= this.#limit) {
      throw new Problem(
        503,
        `${this.#limit} requests are waiting already; try again, or ask without waiting`,
        {
          headers: retryAfter,
        },
      );
    }
    // Not AbortSignal.any: one long-lived signal with thousands of followers warns, and on some runtimes leaks.
    const controller = new AbortController();
    const gone = (): void => controller.abort();
    this.#open.add(controller);
    client.addEventListener('abort', gone, { once: true });
    if (client.aborted) gone();
    return {
      signal: controller.signal,
      end: () => {
        client.removeEventListener('abort', gone);
        this.#open.delete(controller);
        controller.abort();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const controller of this.#open) controller.abort();
  }
}

const retryAfter = { 'Retry-After': '5' };
