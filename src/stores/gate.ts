// The way to a server that is away: one connection of the process tries it, the others wait for what that one finds. A worker has
// a dozen connections, and a fleet hundreds of workers.
import { backoffDelay } from '../lib/backoff.ts';
import { type Clock, longestTimerMs, systemClock } from '../lib/clock.ts';

/** Milliseconds between two tries; at random, so that a fleet does not come back all at once. */
const retryPolicy = { factor: 40, maximum: 2000, jitter: true } as const;

/** How one connection goes to its server. */
export interface Way<T> {
  reach(): Promise<T>;
  /** For people, why nobody is let in; null when the error concerns this connection only. */
  whyAway(error: unknown): string | null;
  /** Hears why it waits. */
  report(reason: string): void;
  /** Waits, at most until the signal is aborted, and keeps the process meanwhile only if something is awaited of this connection. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export class Gate {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #waiting = new Set<() => void>();
  /** Tries one after the other that have not reached the server; 0: nothing is known against it. */
  #failures = 0;
  #reason = '';
  /** When the next try may begin. */
  #nextAt = 0;
  #scouting = false;
  #turn = 0;

  constructor(clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#clock = clock;
  }

  /** The server is held to be away: one tries, the others wait. */
  get isShut(): boolean {
    return this.#failures > 0;
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
   * Goes the way as soon as that makes sense: at once while nothing is known against the server, else when it is its turn, or another has
   * found it open. What `reach` throws is thrown.
   * @throws the signal's reason
   */
  async attempt<T>(way: Way<T>, signal: AbortSignal): Promise<T> {
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

  /** Whether it is the one that tries. */
  async #enter(way: Pick<Way<unknown>, 'report' | 'pause'>, signal: AbortSignal): Promise<boolean> {
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

  async #untilWoken(way: Pick<Way<unknown>, 'pause'>, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    // Its own pause, though there is no end to it: the process is kept by those of whom something is awaited.
    await way.pause(longestTimerMs, woken.signal).catch(() => undefined);
    this.#waiting.delete(wake);
    signal.removeEventListener('abort', wake);
  }

  /** Those that failed together are one failure. */
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

/** The one of all connections of this process that say the same of where they go, and as whom. */
export function gateTo(...place: readonly unknown[]): Gate {
  const key = JSON.stringify(place);
  const gate = gates.get(key) ?? new Gate();
  gates.set(key, gate);
  return gate;
}
