// Sends events. Task events of one turn of the event loop travel together.
import type { Clock } from '../lib/clock.ts';
import { asciiJson, JsonWriter } from '../lib/json-writer.ts';
import type { LamportClock } from '../lib/lamport.ts';
import type { Logger } from '../lib/logger.ts';
import { eventKey, eventsMessage } from '../protocol/event.ts';
import type { WireMessage } from '../protocol/message.ts';
import type { Fanout, FanoutExchange } from '../stores/fanout.ts';
import { stamped, stampText } from './node.ts';

interface EventSenderParts {
  readonly fanout: Fanout;
  readonly exchange: FanoutExchange;
  /** Node name. */
  readonly hostname: string;
  readonly lamport: LamportClock;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether task events are sent from the start. */
  readonly taskEvents: boolean;
}

/** Events in one message. */
const batch = 200;
/** How many messages are under way at once: one after the other would be slower than the tasks. */
const atOnce = 8;
const manyKey = 'task.multi';
/** How many events wait for a broker that is away; the oldest are dropped first, one message at a time. */
const maxWaiting = 5_000;

interface Batch {
  readonly message: WireMessage;
  readonly count: number;
}

export class EventSender {
  /** Whether task events are sent. When they are not, looking at this is all they cost. */
  on: boolean;
  readonly #parts: EventSenderParts;
  readonly #json = new JsonWriter();
  #count = 0;
  /** Where the event begins that is being written. */
  #start = 0;
  #stamp = Buffer.alloc(0);
  #briefStamp = Buffer.alloc(0);
  readonly #node: Buffer;
  #stampedAt = Number.NaN;
  /** Messages that are full, or could not be sent. */
  #waiting: Batch[] = [];
  #flushing: Promise<void> | null = null;
  #dropped = 0;
  #failing = false;
  #quietUntil = 0;

  constructor(parts: EventSenderParts) {
    this.#parts = parts;
    this.on = parts.taskEvents;
    this.#node = Buffer.from(`,"hostname":${asciiJson(parts.hostname)}`, 'latin1');
  }

  /** Begins a task event. Then write its other fields, each after a comma, and call `end`, all in one turn. */
  begin(type: string, uuid: string): JsonWriter {
    this.#start = this.#json.length;
    this.#json.plain(this.#count === 0 ? '[{"type":"' : ',{"type":"').plain(type);
    return this.#json.plain('","uuid":').string(uuid);
  }

  /**
   * Begins a brief event, which only the history gets: see `eventsIn`. `uuid` null: it follows another one of its task in the same entry. End it with
   * `endBrief`.
   */
  beginBrief(type: string, uuid: string | null): JsonWriter {
    this.#start = this.#json.length;
    this.#json.plain('{"type":"').plain(type).plain('"');
    if (uuid === null) return this.#json;
    return this.#json.bytes(this.#node).plain(',"uuid":').string(uuid);
  }

  /** The next logical time, for an event that is written elsewhere. */
  forward(): number {
    return this.#parts.lamport.forward();
  }

  /** Node name. */
  get hostname(): string {
    return this.#parts.hostname;
  }

  /** The time that its events have, milliseconds since 1970. */
  now(): number {
    return this.#parts.clock.now();
  }

  /** Ends a brief event, and returns its JSON. */
  endBrief(): string {
    this.#stampNow();
    this.#json.bytes(this.#briefStamp).integer(this.#parts.lamport.forward()).plain('}');
    return this.#json.cut(this.#start);
  }

  /** Ends the event. It is sent with all others of this turn of the event loop. */
  end(): void {
    this.#finish();
    this.#added();
  }

  /** Ends the event, and returns its JSON instead of sending it. */
  endAsText(): string {
    this.#finish();
    return this.#json.cut(this.#start, 1); // without the separator
  }

  /** Sends an event of `endAsText`. */
  add(event: string): void {
    this.#json.plain(this.#count === 0 ? '[' : ',').plain(event);
    this.#added();
  }

  #finish(): void {
    this.#stampNow();
    this.#json.bytes(this.#stamp).integer(this.#parts.lamport.forward()).plain('}');
  }

  #stampNow(): void {
    const { clock, hostname } = this.#parts;
    const now = clock.now();
    if (now === this.#stampedAt) return;
    this.#stampedAt = now;
    this.#stamp = Buffer.from(stampText(hostname, now), 'latin1');
    this.#briefStamp = Buffer.from(`,"timestamp":${now / 1000},"clock":`, 'latin1');
  }

  #added(): void {
    this.#count++;
    if (this.#count === batch) this.#close();
    this.#flushing ??= new Promise<void>((next) => setImmediate(next)).then(() => this.#flush());
  }

  /** A worker event. Never rejects. */
  async worker(type: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const { exchange, hostname, clock, lamport } = this.#parts;
    const text = JSON.stringify(stamped(type, hostname, fields, clock.now(), lamport));
    const key = eventKey(type);
    await this.#publish(eventsMessage(exchange.name, text, hostname, key), key);
  }

  /** Sends the remaining events. Never rejects. */
  async close(): Promise<void> {
    await this.#flushing;
  }

  async #flush(): Promise<void> {
    for (;;) {
      if (this.#waiting.length === 0) this.#close();
      const some = this.#waiting.splice(0, atOnce);
      if (some.length === 0) break;
      const published = await Promise.all(some.map(({ message }) => this.#publish(message, manyKey)));
      const left = some.filter((_, index) => published[index] === false);
      for (const [index, { message }] of some.entries())
        if (published[index]) this.#json.giveBack(message.body);
      if (left.length === 0) continue;
      // For when the broker is back: events that come meanwhile are newer.
      this.#waiting.unshift(...left);
      this.#dropOldest();
      break;
    }
    this.#flushing = null;
  }

  /** Makes one message of the events written so far. */
  #close(): void {
    if (this.#count === 0) return;
    this.#json.plain(']');
    const { exchange, hostname } = this.#parts;
    const message = eventsMessage(exchange.name, this.#json.take(), hostname, manyKey);
    this.#waiting.push({ message, count: this.#count });
    this.#count = 0;
    this.#dropOldest();
  }

  #dropOldest(): void {
    let surplus = this.#waiting.reduce((sum, { count }) => sum + count, this.#count - maxWaiting);
    while (surplus > 0) {
      const { count = 0 } = this.#waiting.shift() ?? {};
      surplus -= count;
      this.#dropped += count;
    }
  }

  async #publish(message: WireMessage, key: string): Promise<boolean> {
    const { fanout, exchange, logger, clock } = this.#parts;
    try {
      await fanout.publish(exchange, key, message);
    } catch (error) {
      if (!this.#failing)
        logger.warn({ err: error }, `events cannot be sent now: ${String(error)}; the tasks go on`);
      this.#failing = true;
      return false;
    }
    // A broker that is only too slow is reported once a minute.
    if (this.#dropped > 0 && (this.#failing || clock.now() >= this.#quietUntil)) {
      logger.warn({ dropped: this.#dropped }, `events are sent again; ${this.#dropped} were dropped`);
      this.#dropped = 0;
      this.#quietUntil = clock.now() + 60_000;
    }
    this.#failing = false;
    return true;
  }
}
