// A message that RabbitMQ has given to this process.
import type { AmqpMessage } from '../../clients/amqp/link.ts';
import { LeaseLostError } from '../../errors.ts';
import type { Decoded, WireMessage } from '../../protocol/message.ts';
import type { Delivery, Settlement } from '../transport.ts';
import {
  countOf,
  fromMessage,
  parksHeader,
  rawOf,
  replayedHeader,
  returnedHeader,
  strikesHeader,
} from './wire.ts';

/** Carries out a settlement; false: the channel that it came on is gone, and the message another's. */
export type Settle = (delivery: AmqpDelivery, settlement: Settlement) => Promise<boolean>;

export class AmqpDelivery implements Delivery {
  readonly queue: string;
  readonly strikes: number;
  readonly parks: number;
  readonly redelivered: boolean;
  readonly replayed: boolean;
  readonly source: AmqpMessage;
  readonly #settle: Settle;
  #raw: Buffer | undefined;
  #message: Decoded<WireMessage> | undefined;
  #lost: AbortController | undefined;
  #isLost = false;
  #settled = false;

  constructor(queue: string, source: AmqpMessage, settle: Settle) {
    this.queue = queue;
    this.source = source;
    // A quorum queue counts for us how often it came back; on others it is written on the message before it is handed out.
    const counted: unknown = source.properties.headers?.['x-delivery-count'];
    this.strikes = countOf(source, strikesHeader) + (typeof counted === 'number' ? counted : 0);
    this.parks = countOf(source, parksHeader);
    this.redelivered = source.fields.redelivered || this.strikes > 0 || countOf(source, returnedHeader) > 0;
    this.replayed = countOf(source, replayedHeader) > 0;
    this.#settle = settle;
  }

  get raw(): Buffer {
    this.#raw ??= rawOf(this.source);
    return this.#raw;
  }

  get message(): Decoded<WireMessage> {
    this.#message ??= fromMessage(this.source, this.redelivered);
    return this.#message;
  }

  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort(new LeaseLostError());
    return this.#lost.signal;
  }

  async settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#isLost) return 'fenced';
    if (this.#settled) throw new TypeError('a delivery is settled once');
    this.#settled = true;
    try {
      return (await this.#settle(this, settlement)) ? 'settled' : 'fenced';
    } catch (error) {
      this.#settled = false; // it may be tried again
      throw error;
    }
  }

  /** It is another's now. */
  lose(): void {
    this.#isLost = true;
    this.#lost?.abort(new LeaseLostError());
  }
}
