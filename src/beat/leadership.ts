// Decides which of several beats sends. A beat leads as long as it renews its lead; a beat that sees the lead unchanged for one lease takes it.
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import type { LeadState, ScheduleStore } from '../stores/schedule-store.ts';
import { StoreClock } from './store-clock.ts';

/** A time during which a beat leads: until another one may lead. */
export interface Term {
  /** The store refuses writes with the fence of a past term. */
  readonly fence: number;
  /** Aborted when the term is over. */
  readonly signal: AbortSignal;
  /**
   * Whether no other beat can have taken over yet, by the monotonic clock. Asked before each send; a run that is sent at the very moment of a
   * takeover is refused by its id.
   */
  holds(): boolean;
}

interface LeadershipOptions {
  /** If the leader is silent for this time, another beat leads, milliseconds. */
  readonly leaseMs: number;
  /** How often the lead is renewed or watched, milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface LeadershipEvents {
  /** A term begins; it ends with its signal. */
  onTerm(term: Term): void;
  /** Called each time the store has answered while this beat leads. */
  onBeat(lead: LeadState): void;
}

/**
 * The event loop that renews the lease also sends, so the lease proves that it is alive. A thread that renewed would keep the lead for a beat
 * that cannot send.
 */
export class Leadership {
  readonly holder: string = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  /** The store's time, as far as it is known. */
  readonly time: StoreClock;
  readonly #store: ScheduleStore;
  readonly #options: LeadershipOptions;
  readonly #events: LeadershipEvents;
  #term: { readonly fence: number; readonly end: AbortController } | null = null;
  /** The number of renewals. */
  #beats = 0;
  /** Until when no other beat can lead, on the monotonic clock. */
  #holdsUntil = 0;
  /** The lead as last read, and since when it has not changed. */
  #seen: { readonly fence: number; readonly beats: number; readonly at: number } | null = null;
  #leader: string | null = null;
  #answers = false;

  constructor(store: ScheduleStore, options: LeadershipOptions, events: LeadershipEvents) {
    this.#store = store;
    this.#options = options;
    this.#events = events;
    this.time = new StoreClock(options.clock);
  }

  get leads(): boolean {
    return this.#term !== null;
  }

  /** The leader, as far as it is known. */
  get leader(): string | null {
    return this.#leader;
  }

  /** Whether the store answered the last question. */
  get answers(): boolean {
    return this.#answers;
  }

  /** Takes part until `signal` is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    let complained = false;
    while (!signal.aborted) {
      try {
        await this.#ask();
        this.#answers = true;
        if (complained) logger.info({}, 'the store of schedules answers again');
        complained = false;
      } catch (error) {
        this.#answers = false;
        if (!complained) logger.warn({ err: error }, 'the store of schedules does not answer');
        complained = true;
      }
      if (this.#term !== null && clock.monotonic() >= this.#holdsUntil)
        this.lose('it could not be renewed in time');
      await clock.sleep(this.#untilNextMs(), signal).catch(() => {});
    }
  }

  /** The term is over: another beat leads, or may lead. */
  lose(why: string): void {
    const term = this.#term;
    if (term === null) return;
    this.#term = null;
    this.#options.logger.warn({ fence: term.fence }, `the lead is lost: ${why}; standing by`);
    term.end.abort(new Error(why));
  }

  /** Gives up the lead: another beat takes it at once. */
  async resign(): Promise<void> {
    const term = this.#term;
    this.#term = null;
    if (term === null) return;
    term.end.abort(new Error('the beat stops'));
    await this.#store.resign(this.holder);
  }

  async #ask(): Promise<void> {
    const { clock, leaseMs, everyMs } = this.#options;
    const asked = clock.monotonic();
    const isSilent = this.#seen !== null && asked - this.#seen.at >= leaseMs;
    const lead = await this.#store.lead(
      this.holder,
      isSilent ? this.#seen : null,
      Math.max(everyMs, leaseMs / 2),
    );
    const answered = clock.monotonic();
    this.time.set(lead.nowMs, answered);
    this.#leader = lead.holder;
    if (lead.holder !== this.holder) {
      this.lose('another beat leads');
      if (this.#seen?.fence !== lead.fence || this.#seen.beats !== lead.beats)
        this.#seen = { fence: lead.fence, beats: lead.beats, at: answered };
      return;
    }
    this.#seen = null;
    // Counted from before the question: other beats count from after their answer.
    this.#holdsUntil = asked + leaseMs;
    // A store that has lost its data counts from the beginning, perhaps with the same fence.
    if (this.#term !== null && (this.#term.fence !== lead.fence || lead.beats <= this.#beats))
      this.lose('it was lost and won again');
    this.#beats = lead.beats;
    if (this.#term === null) this.#begin(lead.fence);
    this.#events.onBeat(lead);
  }

  #begin(fence: number): void {
    const end = new AbortController();
    setMaxListeners(0, end.signal); // each send under way listens to it
    this.#term = { fence, end };
    this.#events.onTerm({
      fence,
      signal: end.signal,
      holds: () => !end.signal.aborted && this.#options.clock.monotonic() < this.#holdsUntil,
    });
  }

  #untilNextMs(): number {
    const { clock, everyMs, leaseMs } = this.#options;
    if (this.#term !== null || this.#seen === null) return everyMs;
    return Math.max(5, Math.min(everyMs, this.#seen.at + leaseMs - clock.monotonic()));
  }
}
