// A process's way to the store: requests and answers that take time, get lost and are repeated, and the lease that is renewed meanwhile.
import { BrokerUnavailable, LeaseLostError } from '../../src/errors.ts';
import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import type { StoreWrite } from '../../src/stores/store-write.ts';
import type {
  ConsumeOptions,
  Consumer,
  DeadLetterStore,
  Delivery,
  Publication,
  Settlement,
  Transport,
  TransportStatus,
} from '../../src/stores/transport.ts';
import type { Claimed, Store } from './store.ts';
import type { Process } from './world.ts';

/** What the network does to one message in so many; 0: never. */
export interface Weather {
  loseOneIn: number;
  /** The store refuses everything. */
  refuses: boolean;
}

const answerMs = 1000;
const idleMs = 250;

/** Asks the store, again and again until there is an answer; the store does each request once. */
export class Line {
  readonly #process: Process;
  readonly store: Store;
  readonly #weather: Weather;
  #requests = 0;

  constructor(process: Process, store: Store, weather: Weather) {
    this.#process = process;
    this.store = store;
    this.#weather = weather;
  }

  /** @throws BrokerUnavailable when the store refuses: nothing was done. */
  ask<T>(what: string, act: () => T): Promise<T> {
    const request = `${this.#process.name} ${what} ${this.#requests++}`;
    return new Promise((resolve, reject) => {
      let answered = false;
      // Once a request may have been heard, no refusal says that nothing was done.
      let inDoubt = false;
      const attempt = (): void => {
        if (answered) return;
        this.#travel(() => {
          if (this.#weather.refuses) {
            this.#answer(() => {
              if (answered || inDoubt) return;
              answered = true;
              reject(new BrokerUnavailable('the store refuses'));
            });
            return;
          }
          inDoubt = true;
          const value = this.store.once(request, act);
          this.#answer(() => {
            answered = true;
            resolve(value);
          });
        });
        this.#process.after(answerMs, attempt);
      };
      attempt();
    });
  }

  /** To the store: what is on its way arrives, whatever becomes of the sender. */
  #travel(arrive: () => void): void {
    const { world } = this.#process;
    if (this.#isLost()) return;
    world.after(this.#delayMs(), arrive);
  }

  #answer(hear: () => void): void {
    if (!this.#isLost()) this.#process.after(this.#delayMs(), hear);
  }

  #isLost(): boolean {
    return this.#weather.loseOneIn > 0 && this.#process.world.oneIn(this.#weather.loseOneIn);
  }

  #delayMs(): number {
    const { world } = this.#process;
    return world.oneIn(10) ? world.random.below(300) : 1 + world.random.below(5);
  }
}

/** A record on its way with a settlement. */
class RecordWrite implements StoreWrite {
  readonly store: object;
  readonly record: ResultRecord;

  constructor(store: object, record: ResultRecord) {
    this.store = store;
    this.record = record;
  }

  apply(): boolean {
    return true;
  }
}

export function transportOf(process: Process, line: Line): Transport {
  const { store } = line;
  const status: TransportStatus = { state: 'connected', reason: null };
  const none = async (): Promise<never> => {
    throw new Error('this is not simulated');
  };
  return {
    name: 'simulated',
    store,
    status,
    features: {
      priority: false,
      priorityOrder: 'lowest-first',
      exchanges: false,
      once: true,
      multiProcess: true,
      durable: true,
      atomicSettlement: store.isOne,
      leaseExpires: true,
      counts: false,
      keepsPlace: true,
      choosesWaiting: false,
    },
    publish: (publications: readonly Publication[]) => line.ask('send', () => store.send(publications)),
    onStatus: () => () => undefined,
    consume: async (options) => SimulatedConsumer.join(process, line, options),
    size: none,
    queues: none,
    purge: none,
    deadLetters: {} as DeadLetterStore, // nobody asks for them here
    fanout: { publish: none, subscribe: none, workers: async () => null },
    revocations: { put: none, read: async () => [] },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

export function backendOf(line: Line): ResultBackend {
  const { store } = line;
  // In the same store, or in another one.
  const identity = store.isOne ? store : {};
  const writeOf = (record: ResultRecord): StoreWrite => new RecordWrite(identity, record);
  return {
    name: 'simulated',
    features: { multiProcess: true, remembersSent: false, sweeps: false, chords: false },
    store: identity,
    put: (record) => line.ask('put', () => store.put(record)),
    get: (id) => line.ask('get', () => store.results.get(id)),
    writeOf,
    writeOfSent: () => ({ store: {}, apply: () => true }),
    watch: () => {
      throw new Error('this is not simulated');
    },
    forget: async () => false,
    expire: async () => 0,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

class SimulatedConsumer implements Consumer {
  readonly #process: Process;
  readonly #line: Line;
  readonly #leaseMs: number;
  readonly #held = new Map<string, AbortController>();
  #owner: string;
  #lives = 0;
  #closed = false;

  static async join(process: Process, line: Line, { leaseMs }: ConsumeOptions): Promise<Consumer> {
    const consumer = new SimulatedConsumer(process, line, leaseMs);
    const owner = consumer.#owner;
    await line.ask('join', () => line.store.join(owner, leaseMs));
    consumer.#renew();
    return consumer;
  }

  private constructor(process: Process, line: Line, leaseMs: number) {
    this.#process = process;
    this.#line = line;
    this.#leaseMs = leaseMs;
    this.#owner = `${process.name}-0`;
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    for (;;) {
      const count = capacity();
      if (signal.aborted || count <= 0) return [];
      const owner = this.#owner;
      const claimed = await this.#line.ask('claim', () => this.#line.store.claim(owner, count));
      if (claimed.length > 0) return claimed.map((each) => this.#deliver(each, owner));
      await this.#process.clock.sleep(idleMs, signal).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const owner = this.#owner;
    await this.#line.ask('leave', () => this.#line.store.leave(owner));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** User code does not keep it from that; SIGSTOP and death do. */
  #renew(): void {
    if (this.#closed) return;
    const owner = this.#owner;
    this.#line
      .ask('maintain', () => this.#line.store.maintain(owner, this.#leaseMs))
      .then(
        (alive) => {
          if (!alive && !this.#closed && owner === this.#owner) this.#rejoin();
        },
        () => undefined,
      );
    this.#process.after(this.#leaseMs / 3, () => this.#renew());
  }

  #rejoin(): void {
    const owner = `${this.#process.name}-${++this.#lives}`;
    this.#owner = owner;
    for (const lost of this.#held.values()) lost.abort(new LeaseLostError());
    this.#held.clear();
    this.#line.ask('join', () => this.#line.store.join(owner, this.#leaseMs)).catch(() => undefined);
  }

  #deliver({ tag, epoch, publication, redelivered, crashes, deferrals }: Claimed, owner: string): Delivery {
    const lost = new AbortController();
    const key = `${tag} ${epoch}`;
    if (owner === this.#owner) this.#held.set(key, lost);
    else lost.abort(new LeaseLostError());
    return {
      queue: publication.queue,
      raw: new Uint8Array(),
      message: { ok: true, value: publication.message },
      redelivered,
      crashes,
      deferrals,
      lost: lost.signal,
      get isLost() {
        return lost.signal.aborted;
      },
      settle: async (settlement: Settlement) => {
        const write = settlement.kind === 'release' ? undefined : settlement.write;
        const record = write instanceof RecordWrite ? write.record : null;
        const { store } = this.#line;
        const how = await this.#line.ask('settle', () => store.settle(owner, tag, epoch, settlement, record));
        this.#held.delete(key);
        return how;
      },
    };
  }
}
