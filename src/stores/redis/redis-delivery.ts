// A message on which this process holds a lease.
import { LeaseLostError } from '../../errors.ts';
import { decodeEnvelope } from '../../protocol/envelope.ts';
import type { Decoded, WireMessage } from '../../protocol/message.ts';
import type { Delivery, Settlement } from '../transport.ts';
import type { ClaimedMessage } from './command-batcher.ts';
import { splitMetadata } from './redelivery-metadata.ts';

/** Carries out a settlement. `fenced`: the lease had passed to another consumer. */
type RedisSettle = (delivery: RedisDelivery, settlement: Settlement) => Promise<'settled' | 'fenced'>;

export class RedisDelivery implements Delivery {
  readonly queue: string;
  readonly raw: Buffer;
  readonly crashes: number;
  readonly deferrals: number;
  readonly isAnnounced: boolean;
  /** Its field among the consumer's claims. */
  readonly field: string;
  readonly #returned: boolean;
  readonly #settle: RedisSettle;
  #message: Decoded<WireMessage> | undefined;
  #lost: AbortController | undefined;
  #isLost = false;
  #settled = false;

  constructor({ field, queue, stored }: ClaimedMessage, settle: RedisSettle) {
    const { raw, crashes, deferrals, redelivered, announced } = splitMetadata(stored);
    this.field = field;
    this.queue = queue;
    this.raw = raw;
    this.crashes = crashes;
    this.deferrals = deferrals;
    this.isAnnounced = announced;
    this.#returned = redelivered;
    this.#settle = settle;
  }

  get message(): Decoded<WireMessage> {
    this.#message ??= decodeEnvelope(this.raw);
    return this.#message;
  }

  get redelivered(): boolean {
    if (this.#returned) return true;
    const { message } = this;
    return message.ok && message.value.properties.deliveryInfo.redelivered === true;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get lost(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#isLost) this.#lost.abort(new LeaseLostError());
    return this.#lost.signal;
  }

  settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#isLost) return Promise.resolve('fenced');
    if (this.#settled) return Promise.reject(new TypeError('a delivery is settled once'));
    this.#settled = true;
    return this.#settle(this, settlement);
  }

  /** Nothing was written: it may be settled again. */
  unsettle(): void {
    this.#settled = false;
  }

  /** Another consumer has it now. */
  lose(): void {
    this.#isLost = true;
    this.#lost?.abort(new LeaseLostError());
  }
}
