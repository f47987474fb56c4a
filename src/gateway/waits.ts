// The current long requests: event streams, and requests that wait for a result. When the gateway stops, they all end at once.
import { addressOf } from '../http/client-address.ts';
import { Problem } from '../http/problem.ts';

/** A long request. */
export interface Wait {
  /** Aborted when the client has gone or the gateway stops. */
  readonly signal: AbortSignal;
  /** Must be called when the request has ended. */
  end(): void;
}

export class Waits {
  readonly #limit: number;
  readonly #perAddress: number;
  readonly #open = new Set<AbortController>();
  readonly #from = new Map<string, number>();
  #closed = false;

  constructor(limit: number, perAddress: number) {
    this.#limit = limit;
    this.#perAddress = perAddress;
  }

  /** How many wait now. */
  get size(): number {
    return this.#open.size;
  }

  /** @throws Problem 503 when the gateway stops, or too many wait; 429 when too many of the request's address do. */
  begin(request: Request): Wait {
    const { signal: client } = request;
    const address = addressOf(request);
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
    if (address !== undefined && (this.#from.get(address) ?? 0) >= this.#perAddress) {
      throw new Problem(
        429,
        `${this.#perAddress} requests of ${address} are waiting already; end some, or raise maxWaitingPerAddress of the gateway (behind a proxy all come from its address)`,
        { headers: retryAfter },
      );
    }
    // Not AbortSignal.any: one long-lived signal with thousands of followers warns, and on some runtimes leaks.
    const controller = new AbortController();
    const gone = (): void => controller.abort();
    this.#open.add(controller);
    this.#count(address, 1);
    client.addEventListener('abort', gone, { once: true });
    if (client.aborted) gone();
    return {
      signal: controller.signal,
      end: () => {
        client.removeEventListener('abort', gone);
        if (this.#open.delete(controller)) this.#count(address, -1);
        controller.abort();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const controller of this.#open) controller.abort();
  }

  #count(address: string | undefined, more: number): void {
    if (address === undefined) return;
    const count = (this.#from.get(address) ?? 0) + more;
    if (count > 0) this.#from.set(address, count);
    else this.#from.delete(address);
  }
}

const retryAfter = { 'Retry-After': '5' };
