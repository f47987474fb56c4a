// The way to a server that is away: one connection of the process tries it, the others wait for what that one finds. A worker has
// a dozen connections, and a fleet hundreds of workers.
import { backoffDelay } from '../../lib/backoff.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { RedisSettings } from './settings.ts';

/** Milliseconds between two tries; at random, so that a fleet does not come back all at once. */
const patience = { factor: 40, maximum: 2000, jitter: true } as const;

export class Gate {
  readonly #clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly #waiting = new Set<() => void>();
  /** Tries one after the other that have not reached the server; 0: nothing is known against it. */
  #failures = 0;
  #reason = '';
  /** When the next try may begin. */
  #nextAt = 0;
  #scouting = false;
  #turn = 0;

  constructor(clock: Pick<Clock, 'monotonic' | 'sleep'> = systemClock) {
    this.#clock = clock;
  }

  /** Which of several servers is tried, or was found: counted on without end. */
  get turn(): number {
    return this.#turn;
  }

  /** This one is not the right one (any more): the next, unless another connection has said so before. */
  pass(turn: number): void {
    if (turn === this.#turn) this.#turn++;
  }

  /**
   * Tries the way as soon as that makes sense: at once while nothing is known against it, else when it is its turn, or another has found
   * it open. What `reach` throws is thrown; `whyAway` says for people why nobody is let in, or null when it concerns this connection only.
   * `tell` hears why it waits.
   * @throws the signal's reason
   */
  async attempt<T>(
    reach: () => Promise<T>,
    whyAway: (error: unknown) => string | null,
    tell: (reason: string) => void,
    signal: AbortSignal,
  ): Promise<T> {
    const scouts = await this.#enter(tell, signal);
    const before = this.#failures;
    try {
      const reached = await reach();
      this.#failures = 0;
      return reached;
    } catch (error) {
      if (!signal.aborted) {
        const reason = whyAway(error);
        if (reason !== null) this.#fail(before, reason);
        else this.#failures = 0;
      }
      throw error;
    } finally {
      if (scouts) this.#scouting = false;
      this.#wake();
    }
  }

  /** Whether it is the one that tries. */
  async #enter(tell: (reason: string) => void, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#failures === 0) return false;
      if (!this.#scouting) {
        this.#scouting = true;
        try {
          await this.#clock.sleep(Math.max(0, this.#nextAt - this.#clock.monotonic()), signal);
          return true;
        } catch (error) {
          this.#scouting = false;
          this.#wake();
          throw error;
        }
      }
      tell(this.#reason);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  /** Those that failed together are one failure. */
  #fail(before: number, reason: string): void {
    this.#reason = reason;
    if (this.#failures > before) return;
    this.#failures = before + 1;
    this.#nextAt = this.#clock.monotonic() + backoffDelay(patience, before);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

const gates = new WeakMap<object, Map<string, Gate>>();

/** The one of all connections of this process that go to one server (or to several that stand for each other), as the same user. */
export function gateOf({ store, username, password, tls }: RedisSettings): Gate {
  const ways = gates.get(store) ?? new Map<string, Gate>();
  gates.set(store, ways);
  const way = JSON.stringify([username, password, tls]);
  const gate = ways.get(way) ?? new Gate();
  ways.set(way, gate);
  return gate;
}
