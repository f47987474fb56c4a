// A store of somebody else: a driver as a user of the package would write one, against its published entry points only. It keeps its messages
// in arrays of this process.
import { BrokerUnavailable, LeaseLostError } from 'umbel';
import { readMessage, writeMessage } from 'umbel/protocol';
import { isQuarantined, Quarantine } from 'umbel/stores';
import type {
  ConsumeOptions,
  Consumer,
  DeadLetterStore,
  Delivery,
  Publication,
  QueueSize,
  Settlement,
  StoredDeadLetter,
  Transport,
  TransportFeatures,
} from 'umbel/transports';

interface Item {
  /** The order in which messages were sent. */
  readonly number: number;
  readonly queue: string;
  readonly priority: number;
  readonly raw: Uint8Array;
  /** Milliseconds since 1970. */
  due: number;
  crashes: number;
  deferrals: number;
  redelivered: boolean;
  owner: ArrayConsumer | null;
}

type Fanout = Transport['fanout'];
type Subscription = Parameters<Fanout['subscribe']>[0];
type Listener = Parameters<Fanout['subscribe']>[1];

/** What all handles on one store share. */
export class ArrayStore {
  readonly items: Item[] = [];
  readonly dead: (StoredDeadLetter & { readonly priority: number })[] = [];
  readonly listeners = new Map<Subscription, Listener>();
  readonly workers = new Map<Consumer, string>();
  readonly revocations = new Map<string, number>();
  #number = 0;
  #waiting: (() => void)[] = [];

  put(queue: string, priority: number, raw: Uint8Array, due = 0): void {
    const item = { queue, priority, raw, due, crashes: 0, deferrals: 0, redelivered: false, owner: null };
    this.items.push({ ...item, number: this.#number++ });
    this.changed();
  }

  /** All of them, or none if one cannot be written. @throws TypeError for a write: results are kept elsewhere */
  send(publications: readonly Publication[]): void {
    for (const { write } of publications) refuse(write);
    const raw = publications.map(({ message }) => Buffer.from(writeMessage(message)));
    for (const [n, { queue, message, eta }] of publications.entries())
      this.put(queue, message.properties.priority, raw[n] ?? Buffer.alloc(0), eta?.getTime());
  }

  bury({ queue, priority, raw, crashes }: Item, reason: StoredDeadLetter['reason'], detail: string): void {
    const id = this.#number++;
    this.dead.push({ id, queue, priority, raw, crashes, reason, detail, diedAt: new Date() });
  }

  remove(item: Item): void {
    this.items.splice(this.items.indexOf(item), 1);
    this.changed();
  }

  /** Everybody who waits looks again. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves at the next change, when the next message that was not due at `now` is due, or after `ms`. */
  async change(signal: AbortSignal, now: number, ms: number | null): Promise<void> {
    const dues = this.items.filter(({ owner, due }) => owner === null && due > now);
    const next = Math.min(...dues.map(({ due }) => due - now), ms ?? 60_000, 60_000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, next);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
      signal.addEventListener('abort', () => this.changed(), { once: true });
      if (signal.aborted) this.changed();
    });
  }

  /** What may be claimed at `now`, the most urgent first. */
  ready(queue: string, now: number): Item[] {
    return this.items
      .filter((item) => item.queue === queue && item.owner === null && item.due <= now)
      .sort((a, b) => a.priority - b.priority || a.number - b.number);
  }
}

export class ArrayTransport implements Transport {
  readonly name = 'array';
  readonly features: TransportFeatures = {
    priority: true,
    priorityOrder: 'lowest-first',
    exchanges: false,
    once: false,
    multiProcess: false,
    durable: false,
    atomicSettlement: false,
    leaseExpires: false,
    counts: true,
    keepsPlace: true,
    choosesWaiting: false,
  };
  readonly status = { state: 'connected', reason: null } as const;
  readonly store: ArrayStore;
  readonly deadLetters: DeadLetterStore;
  readonly #consumers = new Set<Consumer>();
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;

  constructor(store: ArrayStore) {
    this.store = store;
    this.deadLetters = lettersOf(store);
  }

  readonly fanout: Fanout = {
    publish: async (exchange, routingKey, message) => {
      const text = Buffer.from(writeMessage(message)); // nobody shares an object
      const hearing = [...this.store.listeners].filter(
        ([{ exchange: its, keys }]) =>
          its.name === exchange.name &&
          keys.some((key) => exchange.type === 'fanout' || fits(key, routingKey)),
      );
      setImmediate(() => {
        for (const [subscription, listener] of hearing)
          if (this.store.listeners.has(subscription)) listener(readMessage(text), routingKey);
      });
    },
    subscribe: async (given, listener) => {
      const subscription = { ...given };
      this.store.listeners.set(subscription, listener);
      this.#subscriptions.add(subscription);
      return { [Symbol.asyncDispose]: async () => void this.store.listeners.delete(subscription) };
    },
    workers: async () => [...new Set(this.store.workers.values())].sort(),
  };

  readonly revocations: Transport['revocations'] = {
    put: async (revocations, until) => {
      for (const notice of revocations)
        this.store.revocations.set(notice, Math.max(until, this.store.revocations.get(notice) ?? 0));
    },
    read: async () =>
      [...this.store.revocations].filter(([, until]) => until > Date.now()).map(([notice]) => notice),
  };

  onStatus(): () => void {
    return () => undefined; // there is no connection that could fail
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    this.#refuseIfClosed();
    this.store.send(publications);
  }

  async consume(options: ConsumeOptions): Promise<ArrayConsumer> {
    this.#refuseIfClosed();
    const consumer = new ArrayConsumer(this.store, options, () => this.#consumers.delete(consumer));
    this.#consumers.add(consumer);
    return consumer;
  }

  async size(queue: string): Promise<QueueSize> {
    const items = this.store.items.filter((item) => item.queue === queue);
    const ready = this.store.ready(queue, Date.now()).length;
    const claimed = items.filter(({ owner }) => owner !== null).length;
    return { ready, claimed, scheduled: items.length - ready - claimed };
  }

  async queues(): Promise<readonly string[]> {
    return [...new Set(this.store.items.map(({ queue }) => queue))].sort();
  }

  async purge(queue: string): Promise<number> {
    const waiting = this.store.items.filter((item) => item.queue === queue && item.owner === null);
    for (const item of waiting) this.store.remove(item);
    return waiting.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const consumer of [...this.#consumers]) await consumer.close();
    for (const subscription of this.#subscriptions) this.store.listeners.delete(subscription);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new BrokerUnavailable('this handle on the store is closed');
  }
}

export class ArrayConsumer implements Consumer {
  readonly #store: ArrayStore;
  readonly #queues: string[];
  readonly #quarantine: Quarantine;
  readonly #held = new Map<Item, ArrayDelivery>();
  readonly #closing = new AbortController();
  readonly #onClose: () => void;

  constructor(store: ArrayStore, { queues, name, quarantineMs }: ConsumeOptions, onClose: () => void) {
    this.#store = store;
    this.#queues = [...queues];
    this.#quarantine = new Quarantine({ monotonic: () => performance.now() }, quarantineMs);
    this.#onClose = onClose;
    store.workers.set(this, name);
  }

  async claim(capacity: () => number, signal: AbortSignal): Promise<readonly Delivery[]> {
    await Promise.resolve(); // the room is what it is when the turn is over
    for (;;) {
      if (signal.aborted || this.#closing.signal.aborted || capacity() <= 0) return [];
      // One look at the clock: what is not due for it is what is waited for.
      const now = Date.now();
      const waiting = this.#queues.flatMap((queue) => this.#store.ready(queue, now));
      const quarantined = waiting.find(({ crashes }) => isQuarantined(crashes));
      const may = this.#quarantine.look(quarantined !== undefined);
      if (may.quarantined && quarantined !== undefined) return [this.#hold(quarantined)];
      const taken = may.others ? this.#take(capacity(), now) : [];
      if (taken.length > 0) return taken;
      await this.#store.change(signal, now, may.againMs);
    }
  }

  /** In turn from each queue. */
  #take(room: number, now: number): Delivery[] {
    const taken: Delivery[] = [];
    while (taken.length < room) {
      const heads = this.#queues.flatMap((queue) => {
        const head = this.#store.ready(queue, now).find(({ crashes }) => !isQuarantined(crashes));
        return head === undefined ? [] : [head];
      });
      const urgent = Math.min(...heads.map(({ priority }) => priority));
      const next = heads.find(({ priority }) => priority === urgent);
      if (next === undefined) break;
      taken.push(this.#hold(next));
      this.#queues.push(...this.#queues.splice(this.#queues.indexOf(next.queue), 1));
    }
    return taken;
  }

  #hold(item: Item): Delivery {
    item.owner = this;
    this.#quarantine.took(item.crashes);
    const delivery: ArrayDelivery = new ArrayDelivery(
      this.#store,
      item,
      () => this.#held.get(item) === delivery && this.letGo(item),
    );
    this.#held.set(item, delivery);
    return delivery;
  }

  /** True: it was held. */
  letGo(item: Item): boolean {
    if (!this.#held.delete(item)) return false;
    item.owner = null;
    this.#quarantine.letGo(item.crashes);
    this.#store.changed();
    return true;
  }

  /** Without a word: others get what it held. */
  die(): void {
    for (const [item, delivery] of [...this.#held]) {
      this.letGo(item);
      Object.assign(item, { redelivered: true, crashes: item.crashes + 1 });
      delivery.lose();
    }
    this.#store.changed();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const item of [...this.#held.keys()]) {
      this.letGo(item);
      item.redelivered = true;
    }
    this.#store.workers.delete(this);
    this.#onClose();
    this.#store.changed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class ArrayDelivery implements Delivery {
  readonly queue: string;
  readonly raw: Uint8Array;
  readonly message: Delivery['message'];
  readonly redelivered: boolean;
  readonly crashes: number;
  readonly deferrals: number;
  readonly #store: ArrayStore;
  readonly #item: Item;
  /** False: it is another's now. */
  readonly #letGo: () => boolean;
  readonly #lost = new AbortController();
  #settled = false;

  constructor(store: ArrayStore, item: Item, letGo: () => boolean) {
    this.#store = store;
    this.#item = item;
    this.#letGo = letGo;
    this.queue = item.queue;
    this.raw = item.raw;
    this.message = readMessage(item.raw);
    this.redelivered = item.redelivered;
    this.crashes = item.crashes;
    this.deferrals = item.deferrals;
  }

  get isLost(): boolean {
    return this.#lost.signal.aborted;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(): void {
    this.#lost.abort(new LeaseLostError());
  }

  async settle(settlement: Settlement): Promise<'settled' | 'fenced'> {
    if (this.#settled) throw new TypeError('a delivery is settled once');
    if (settlement.kind !== 'release') refuse(settlement.write);
    const followers = settlement.kind === 'ack' ? (settlement.publish ?? []) : [];
    for (const { write } of followers) refuse(write);
    this.#settled = true;
    const item = this.#item;
    if (!this.#letGo()) return 'fenced';
    if (settlement.kind === 'release') {
      item.redelivered = true;
      item.due = settlement.until?.getTime() ?? 0;
      if (settlement.deferred) item.deferrals++;
      if (settlement.crashed) item.crashes++;
      this.#store.changed();
      return 'settled';
    }
    if (settlement.kind === 'dead') this.#store.bury(item, settlement.reason, settlement.detail);
    this.#store.send(followers);
    this.#store.remove(item);
    return 'settled';
  }
}

function refuse(write: Publication['write']): void {
  if (write !== undefined) throw new TypeError('a write made for another store cannot travel with a message');
}

function lettersOf(store: ArrayStore): DeadLetterStore {
  const taken = (id: number) => {
    const at = store.dead.findIndex((letter) => letter.id === id);
    return at < 0 ? undefined : store.dead.splice(at, 1)[0];
  };
  return {
    list: async ({ limit = 100, before = Number.POSITIVE_INFINITY, queue } = {}) =>
      store.dead
        .filter((letter) => letter.id < before && (queue === undefined || letter.queue === queue))
        .sort((a, b) => b.id - a.id)
        .slice(0, limit),
    get: async (id) => store.dead.find((letter) => letter.id === id),
    count: async () => store.dead.length,
    replay: async (id) => {
      const letter = taken(id);
      if (letter !== undefined) store.put(letter.queue, letter.priority, letter.raw);
      return letter !== undefined;
    },
    discard: async (id) => taken(id) !== undefined,
  };
}

/** AMQP's patterns: words with dots between them, `*` for one, `#` for any number. */
function fits(pattern: string, key: string): boolean {
  const words = pattern.split('.').map((word) => {
    if (word === '#') return '.*';
    return word === '*' ? '[^.]*' : word.replace(/[^\w]/g, '\\$&');
  });
  return new RegExp(`^${words.join('\\.').replaceAll('\\..*', '(?:\\..*)?')}$`).test(key);
}
