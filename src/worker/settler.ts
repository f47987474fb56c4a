// Making a settlement durable: the one place where deliveries are settled.
import type { Backoff } from '../lib/backoff.ts';
import type { ResultRecord } from '../protocol/result-meta.ts';
import type { ResultAddress, ResultBackend } from '../stores/backend.ts';
import { publishAll, publishBroadcasts } from '../stores/publish-all.ts';
import type { StoreWrite } from '../stores/store-write.ts';
import type { Delivery, Publication, Settlement, Transport } from '../stores/transport.ts';
import { type Retrier, storeBackoff } from './retrier.ts';
import type { SettlementPlan } from './settlement.ts';
import { type OwnLock, UniqueLocks } from './unique.ts';

/** `fenced`: the lease had passed to another worker, nothing was written. `gave-up`: the worker stops, and the store still refuses. */
export type SettleResult = 'settled' | 'fenced' | 'gave-up';

export class Settler {
  readonly #transport: Transport;
  readonly #backend: ResultBackend | null;
  readonly #retrier: Retrier;
  /** The pauses before an operation on a result is repeated. */
  readonly #resultBackoff: Backoff;
  /** Result and acknowledgement are in one store, and are written by one transaction. */
  readonly sameStore: boolean;
  /** A retry's message and the acknowledgement are two steps: a crash between them leaves two messages of that retry. */
  readonly mayDuplicate: boolean;
  readonly unique: UniqueLocks;

  constructor(
    transport: Transport,
    backend: ResultBackend | null,
    retrier: Retrier,
    resultBackoff: Backoff = storeBackoff,
  ) {
    this.#transport = transport;
    this.#backend = backend;
    this.#retrier = retrier;
    this.#resultBackoff = resultBackoff;
    this.unique = new UniqueLocks(transport, backend);
    this.sameStore = backend?.store === transport.store && transport.features.atomicSettlement;
    this.mayDuplicate = !transport.features.atomicSettlement;
  }

  /**
   * The write of the record, if it can travel with the settlement.
   * @throws NotSerializableError when the record has no form on the wire
   */
  prepare({ record }: SettlementPlan): StoreWrite | undefined {
    if (record === null || this.#backend === null) return undefined;
    // Also made for a backend elsewhere: this finds a value that cannot be stored before anything is done.
    const write = this.#backend.writeOf(record);
    return this.sameStore ? write : undefined;
  }

  /**
   * Settles; resolves when that is durable, however often the store must be asked. `write` is the result of `prepare`; `following` is sent
   * with an acknowledgement.
   */
  async settle(
    delivery: Delivery,
    plan: SettlementPlan,
    write?: StoreWrite,
    following: readonly Publication[] = none,
  ): Promise<SettleResult> {
    if (write === undefined && plan.record !== null) {
      // Result before acknowledgement: a crash in between leaves a finished task that comes back and is not run again; never a lost one.
      const kept = await this.keep(delivery, plan.record);
      if (kept !== 'settled') return kept;
    }
    const lock = this.unique.endedBy(delivery, plan);
    const released = lock === null ? { write } : await this.#release(lock, delivery, write);
    if (released === null) return gaveUp(delivery);
    let settlement = toSettlement(plan, released.write, following);
    if (settlement.kind === 'ack' && settlement.publish?.some(({ broadcast }) => broadcast !== undefined)) {
      // Broadcasts go before the acknowledgement, since they cannot travel with it.
      const { publish } = settlement;
      let kept = none;
      const sendBroadcasts = async (): Promise<void> => {
        kept = await publishBroadcasts(this.#transport, publish);
      };
      if (!(await this.retry('send a task', delivery.lost, sendBroadcasts))) return gaveUp(delivery);
      settlement = { ...settlement, publish: kept };
    }
    try {
      return await delivery.settle(settlement);
    } catch (error) {
      const settle = (): Promise<SettleResult> => delivery.settle(settlement);
      const backoff = write === undefined ? storeBackoff : this.#resultBackoff;
      return (
        (await this.#retrier.retry('settle a task', delivery.lost, error, settle, backoff)) ??
        gaveUp(delivery)
      );
    }
  }

  /** Releases the lock of a unique task that ends: with the settlement, or before it if the lock is in another store. Null: given up. */
  async #release(
    lock: OwnLock,
    delivery: Delivery,
    write: StoreWrite | undefined,
  ): Promise<{ readonly write: StoreWrite | undefined } | null> {
    let released = write;
    const done = await this.retry('release the lock of a unique task', delivery.lost, async () => {
      released = await this.unique.release(lock, write);
    });
    return done ? { write: released } : null;
  }

  /** Writes the rest for a task that was acknowledged before it ran. */
  async settleEarly(
    delivery: Delivery,
    { record, publish }: SettlementPlan,
    following: readonly Publication[] = none,
  ): Promise<SettleResult> {
    const backend = this.#backend;
    const sent = await this.publish(publish === null ? following : [publish, ...following], never);
    const kept =
      !record ||
      !backend ||
      (await this.#retryResult('store a result', { lost: never }, () =>
        backend.put(record, addressOf(delivery)),
      ));
    return sent && kept ? 'settled' : 'gave-up';
  }

  /** Sends messages, apart from any settlement. False: given up. */
  async publish(publications: readonly Publication[], lost: AbortSignal): Promise<boolean> {
    if (publications.length === 0) return true;
    return this.retry('send a task', lost, () => publishAll(this.#transport, publications));
  }

  /** The record of a task whose message came back. Asked for as long as it takes, since a guess would run the task twice. */
  async recordOf(delivery: Delivery, id: string): Promise<ResultRecord | null | 'gave-up'> {
    const backend = this.#backend;
    if (backend === null) return null;
    let record: ResultRecord | undefined;
    const read = async (): Promise<void> => {
      record = await backend.get(id);
    };
    return (await this.#retryResult('read a result', delivery, read)) ? (record ?? null) : 'gave-up';
  }

  /** Whether the lease is still ours, asked before anything of a run is written. False: it is not, or the store did not answer in time. */
  isOurs(delivery: Delivery): boolean | Promise<boolean> {
    if (delivery.steady === undefined || !delivery.isAdrift) return !delivery.isLost;
    const known = this.#retry('find out who has a task', delivery, async () => delivery.steady?.());
    return known.then((isKnown) => isKnown && !delivery.isLost);
  }

  /** Stores a result, apart from any settlement. */
  async keep(delivery: Delivery, record: ResultRecord | null): Promise<SettleResult> {
    const backend = this.#backend;
    if (backend === null || record === null) return 'settled';
    if (delivery.isLost) return 'fenced';
    const address = addressOf(delivery);
    return (await this.#retryResult('store a result', delivery, () => backend.put(record, address)))
      ? 'settled'
      : gaveUp(delivery);
  }

  /** Repeats an operation as often as the store must be asked. False: given up. */
  retry(what: string, lost: AbortSignal, operation: () => Promise<void>): Promise<boolean> {
    return this.#retry(what, { lost }, operation);
  }

  /** `held`: a delivery has its signal made when it is asked for one, which costs more than the rest of this. */
  async #retry(
    what: string,
    held: Pick<Delivery, 'lost'>,
    operation: () => Promise<void>,
    backoff: Backoff = storeBackoff,
  ): Promise<boolean> {
    try {
      await operation();
      return true;
    } catch (error) {
      const again = (): Promise<true> => operation().then(() => true);
      return (await this.#retrier.retry(what, held.lost, error, again, backoff)) ?? false;
    }
  }

  #retryResult(what: string, held: Pick<Delivery, 'lost'>, operation: () => Promise<void>): Promise<boolean> {
    return this.#retry(what, held, operation, this.#resultBackoff);
  }
}

/** The address of the waiting sender, for backends that send results there. */
function addressOf({ message }: Delivery): ResultAddress {
  if (!message.ok) return { replyTo: '', correlationId: '' };
  const { replyTo, correlationId } = message.value.properties;
  return { replyTo: replyTo ?? '', correlationId: correlationId ?? '' };
}

const never = new AbortController().signal;
const none: readonly Publication[] = [];

function gaveUp(delivery: Delivery): SettleResult {
  return delivery.isLost ? 'fenced' : 'gave-up';
}

function toSettlement(
  { action, publish: again, history }: SettlementPlan,
  write: StoreWrite | undefined,
  following: readonly Publication[],
): Settlement {
  switch (action.kind) {
    case 'ack': {
      const publish = again === null ? following : [again, ...following];
      // The end of most tasks, without spreads.
      if (write !== undefined && publish.length === 0)
        return history === undefined ? { kind: 'ack', write } : { kind: 'ack', write, history };
      return {
        kind: 'ack',
        ...(write && { write }),
        ...(history && { history }),
        ...(publish.length > 0 && { publish }),
      };
    }
    case 'dead':
      return { ...action, ...(write && { write }), ...(history && { history }) };
    case 'release':
      return action;
  }
}
