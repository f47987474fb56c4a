// When a server is away, one connection of the process tries to reach it, and the others wait for what that attempt finds. A worker
// has a dozen connections, and a fleet hundreds of workers.
import { backoffDelay } from '../lib/backoff.ts';
import { type Clock, longestTimerMs, systemClock } from '../lib/clock.ts';

/** Milliseconds between two attempts; random, so that a fleet does not come back all at once. */
const retryPolicy = { factor: 40, maximum: 2000, jitter: true } as const;

/** How one connection is made. */
export interface ConnectionAttempt<T> {
  reach(): Promise<T>;
  /** Why the server lets no connection in, for people; null: the error concerns this connection only. */
  whyAway(error: unknown): string | null;
  /** Called with the reason for which the connection waits. */
  report(reason: string): void;
  /** Waits, at most until the signal is aborted. Keeps the process alive only if something is awaited of this connection. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export class Gate {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #waiting = new Set<() => void>();
  /** Attempts in succession that did not reach the server; 0: the server is not known to be away. */
  #failures = 0;
  #reason = '';
  /** When the next attempt may begin, on the monotonic clock. */
  #nextAt = 0;
  #scouting = false;
  #turn = 0;

  constructor(clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#clock = clock;
  }

  /** The server is taken for away: one connection tries, the others wait. */
  get isShut(): boolean {
    return this.#failures > 0;
  }

  /** Counts the servers that were tried; modulo their number it is the index of the server that is tried, or was found. */
  get turn(): number {
    return this.#turn;
  }

  /** This server is not the right one, or not any more: go on to the next, unless another connection did so already. */
  pass(turn: number): void {
    if (turn === this.#turn) this.#turn++;
  }

  /**
   * Makes the connection: at once, or, while the server is away, when it is this connection's turn or another one has reached the server.
   * Throws what `reach` throws.
   * @throws the signal's reason
   */
  async attempt<T>(way: ConnectionAttempt<T>, signal: AbortSignal): Promise<T> {
    const scouts = await this.#enter(way, signal);
    const before = this.#failures;
    try {
      const reached = await way.reach();
      this.#failures = 0;
      return reached;
    } catch (error) {
      if (!signal.aborted) {
        const reason = way.whyAway(error);
        if (reason !== null) this.#fail(before, reason);
        else this.#failures = 0;
      }
      throw error;
    } finally {
      if (scouts) this.#scouting = false;
      this.#wake();
    }
  }

  /** Whether this connection is the one that tries while the server is away. */
  async #enter(
    way: Pick<ConnectionAttempt<unknown>, 'report' | 'pause'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#failures === 0) return false;
      way.report(this.#reason);
      if (!this.#scouting) {
        this.#scouting = true;
        await way.pause(Math.max(0, this.#nextAt - this.#clock.monotonic()), signal).catch(() => undefined);
        if (!signal.aborted) return true;
        this.#scouting = false;
        this.#wake();
      } else await this.#untilWoken(way, signal);
    }
  }

  async #untilWoken(way: Pick<ConnectionAttempt<unknown>, 'pause'>, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    // `way.pause` without an end: only a connection of which something is awaited keeps the process alive.
    await way.pause(longestTimerMs, woken.signal).catch(() => undefined);
    this.#waiting.delete(wake);
    signal.removeEventListener('abort', wake);
  }

  /** Attempts that failed together count as one failure. */
  #fail(before: number, reason: string): void {
    this.#reason = reason;
    if (this.#failures > before) return;
    this.#failures = before + 1;
    this.#nextAt = this.#clock.monotonic() + backoffDelay(retryPolicy, before);
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

const gates = new Map<string, Gate>();

/** The gate that all connections of this process to the same place, with the same credentials, share. */
export function gateTo(...place: readonly unknown[]): Gate {
  const key = JSON.stringify(place);
  const gate = gates.get(key) ?? new Gate();
  gates.set(key, gate);
  return gate;
}
