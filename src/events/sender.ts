// Telling what happens. Task events of one turn of the event loop travel together.
import type { Clock } from '../lib/clock.ts';
import type { LamportClock } from '../lib/lamport.ts';
import type { Logger } from '../lib/logger.ts';
import { eventKey, eventsMessage } from '../protocol/event.ts';
import { eventExchange, type Fanout } from '../transports/fanout.ts';
import { stamped, stampedText } from './node.ts';

export interface EventSenderParts {
  readonly fanout: Fanout;
  /** Node name. */
  readonly hostname: string;
  readonly lamport: LamportClock;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether task events are told from the start. */
  readonly taskEvents: boolean;
}

/** Events in one message. */
const batch = 200;
/** Events that wait for a broker that is away; the oldest go first. */
const mostWaiting = 5_000;

export class EventSender {
  /** Whether task events are told. What it costs when nobody wants them is a look at this. */
  on: boolean;
  readonly #parts: EventSenderParts;
  readonly #self: { readonly pid: number; readonly hostname: string };
  /** JSON of each. */
  #waiting: string[] = [];
  #flushing: Promise<void> | null = null;
  #dropped = 0;
  #failing = false;

  constructor(parts: EventSenderParts) {
    this.#parts = parts;
    this.on = parts.taskEvents;
    this.#self = { pid: process.pid, hostname: JSON.stringify(parts.hostname) };
  }

  /** A task event; `fields` are JSON: `"uuid":"…","n":1`. Told with all others of this turn of the event loop. */
  task(type: string, fields: string): void {
    const { clock, lamport } = this.#parts;
    this.#waiting.push(stampedText(type, fields, this.#self, clock.now(), lamport));
    if (this.#waiting.length >= 2 * mostWaiting) this.#dropOldest();
    this.#flushing ??= new Promise<void>((next) => setImmediate(next)).then(() => this.#flush());
  }

  /** A worker event. Never rejects. */
  async worker(type: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const { hostname, clock, lamport } = this.#parts;
    await this.#tell(JSON.stringify(stamped(type, hostname, fields, clock.now(), lamport)), eventKey(type));
  }

  /** Tells what is left. Never rejects. */
  async close(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const events = this.#waiting.splice(0, batch);
      if (await this.#tell(`[${events.join(',')}]`, 'task.multi')) continue;
      // For when the broker is back: those that come meanwhile are newer.
      this.#waiting = [...events, ...this.#waiting];
      this.#dropOldest();
      break;
    }
    this.#flushing = null;
  }

  #dropOldest(): void {
    const surplus = this.#waiting.length - mostWaiting;
    if (surplus <= 0) return;
    this.#dropped += surplus;
    this.#waiting = this.#waiting.slice(surplus);
  }

  async #tell(text: string, key: string): Promise<boolean> {
    const { fanout, hostname, logger } = this.#parts;
    try {
      await fanout.publish(eventExchange, key, eventsMessage(text, hostname, key));
      if (this.#failing && this.#dropped > 0)
        logger.warn({ dropped: this.#dropped }, `events are told again; ${this.#dropped} were dropped`);
      this.#failing = false;
      this.#dropped = 0;
      return true;
    } catch (error) {
      if (!this.#failing)
        logger.warn({ err: error }, `events cannot be told now: ${String(error)}; the tasks go on`);
      this.#failing = true;
      return false;
    }
  }
}
