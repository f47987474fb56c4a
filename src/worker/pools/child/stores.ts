// The worker's stores, for its child. The child opens none of its own: a child that is killed at any point holds no connection, no lock and no
// file.
import { BrokerUnavailable, StoreError } from '../../../errors.ts';
import { encodeEnvelope } from '../../../protocol/envelope.ts';
import type { WireMessage } from '../../../protocol/message.ts';
import { decodeResult, encodeResult } from '../../../protocol/result-codec.ts';
import { isReady, type ResultRecord } from '../../../protocol/result-meta.ts';
import type { ResultAddress, ResultBackend, ResultBackendFeatures } from '../../../stores/backend.ts';
import type { Fanout, FanoutExchange, RevocationStore } from '../../../stores/fanout.ts';
import type { Locks } from '../../../stores/locks.ts';
import type { StoreWrite } from '../../../stores/store-write.ts';
import type {
  Consumer,
  DeadLetterStore,
  Publication,
  PublishOptions,
  QueueSize,
  Transport,
  TransportFeatures,
  TransportStatus,
} from '../../../stores/transport.ts';
import type { Calls } from './calls.ts';
import type { StoreRequest, StoresData, WrittenPublication } from './messages.ts';

interface ChildStores {
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
}

export function childStores({ transport, backend }: StoresData, calls: Calls): ChildStores {
  const store = {};
  return {
    transport: new ChildTransport(transport, store, calls),
    backend: backend === null ? null : new ChildBackend(backend, backend.sameStore ? store : {}, calls),
  };
}

class ChildTransport implements Transport {
  readonly name: string;
  readonly features: TransportFeatures;
  readonly store: object;
  readonly fanout: Fanout;
  /** The worker knows the real status. */
  readonly status: TransportStatus = { state: 'connected', reason: null };
  readonly #calls: Calls;

  constructor({ name, features }: StoresData['transport'], store: object, calls: Calls) {
    this.name = name;
    this.features = features;
    this.store = store;
    this.fanout = new ChildFanout(calls);
    this.#calls = calls;
  }

  get deadLetters(): DeadLetterStore {
    throw notHere('the dead letters');
  }

  get revocations(): RevocationStore {
    throw notHere('revocations');
  }

  onStatus(): () => void {
    return () => undefined;
  }

  async publish(publications: readonly Publication[], options: PublishOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const written = publications.map(writePublication);
    await this.#calls.ask({ what: 'publish', publications: written, timeoutMs: options.timeoutMs ?? null });
  }

  async consume(): Promise<Consumer> {
    throw notHere('a consumer');
  }

  async size(queue: string): Promise<QueueSize> {
    return (await this.#calls.ask({ what: 'size', queue })) as QueueSize; // the worker's transport returned it
  }

  async queues(): Promise<readonly string[]> {
    return (await this.#calls.ask({ what: 'queues' })) as readonly string[]; // the same
  }

  async purge(queue: string): Promise<number> {
    return Number(await this.#calls.ask({ what: 'purge', queue }));
  }

  /** The worker takes the locks, before the message is sent. */
  async openLocks(): Promise<Locks> {
    const ask = (asked: StoreRequest): Promise<unknown> => this.#calls.ask(asked);
    const idOf = (answer: unknown): string | null => (typeof answer === 'string' ? answer : null);
    const otherStore = (): never => {
      throw new TypeError("a lock of a pool's child is taken by its worker");
    };
    return {
      store: {}, // another store than the messages': so it is taken by itself
      taking: otherStore,
      releasing: otherStore,
      take: async (lock) => idOf(await ask({ what: 'lock', ...lock })),
      extend: async (lock) => void (await ask({ what: 'extend', ...lock })),
      release: async (key, id) => void (await ask({ what: 'unlock', key, id })),
      owner: async (key) => idOf(await ask({ what: 'owner', key })),
    };
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Events and commands can be published; to receive them takes a connection. */
class ChildFanout implements Fanout {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  async publish(exchange: FanoutExchange, routingKey: string, message: WireMessage): Promise<void> {
    await this.#calls.ask({ what: 'tell', exchange, routingKey, envelope: encodeEnvelope(message) });
  }

  async subscribe(): Promise<AsyncDisposable> {
    throw notHere('the broadcasts');
  }

  async workers(): Promise<readonly string[] | null> {
    return (await this.#calls.ask({ what: 'workers' })) as readonly string[] | null; // the worker's transport returned it
  }
}

/** A record for the worker's backend to write. */
class RecordToWrite implements StoreWrite {
  readonly store: object;
  readonly record: string;
  /** For a record that a task was sent. */
  readonly elsewhere: boolean;

  constructor(store: object, record: string, elsewhere = false) {
    this.store = store;
    this.record = record;
    this.elsewhere = elsewhere;
  }

  apply(): boolean {
    throw new TypeError("a record of a pool's child is written by its worker");
  }
}

class ChildBackend implements ResultBackend {
  readonly name: string;
  readonly features: ResultBackendFeatures;
  readonly store: object;
  readonly replyTo?: () => Promise<string>;
  readonly #calls: Calls;

  constructor(data: NonNullable<StoresData['backend']>, store: object, calls: Calls) {
    this.name = data.name;
    this.features = data.features;
    this.store = store;
    this.#calls = calls;
    if (data.repliesTo) this.replyTo = async () => String(await calls.ask({ what: 'replyTo' }));
  }

  async put(record: ResultRecord, address?: ResultAddress): Promise<void> {
    const { replyTo, correlationId } = address ?? { replyTo: '', correlationId: '' };
    await this.#calls.ask({ what: 'put', record: encodeResult(record), replyTo, correlationId });
  }

  writeOf(record: ResultRecord): StoreWrite {
    return new RecordToWrite(this.store, encodeResult(record));
  }

  writeOfSent(record: ResultRecord, elsewhere?: boolean): StoreWrite {
    return new RecordToWrite(this.store, encodeResult(record), elsewhere);
  }

  async get(id: string): Promise<ResultRecord | undefined> {
    const text = await this.#calls.ask({ what: 'get', id });
    return typeof text === 'string' ? readRecord(text) : undefined;
  }

  async *watch(id: string, signal: AbortSignal): AsyncIterable<ResultRecord> {
    const arrived: (string | null)[] = [];
    let wake: () => void = () => undefined;
    const unwatch = this.#calls.watch(id, (record) => {
      arrived.push(record);
      wake();
    });
    const stop = (): void => {
      arrived.push(null);
      wake();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const text = arrived.shift();
        if (text === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (text === null) return;
        else {
          const record = readRecord(text);
          yield record;
          if (isReady(record.status)) return;
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      unwatch();
    }
  }

  async forget(id: string): Promise<boolean> {
    return (await this.#calls.ask({ what: 'forget', id })) === true;
  }

  async expire(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

function writePublication({
  id,
  queue,
  exchange,
  message,
  eta,
  once,
  write,
}: Publication): WrittenPublication {
  return {
    id,
    queue,
    exchange: exchange ?? null,
    envelope: encodeEnvelope(message),
    eta: eta?.getTime() ?? null,
    once: once === true,
    sent: write instanceof RecordToWrite ? { record: write.record, elsewhere: write.elsewhere } : null,
  };
}

function readRecord(text: string): ResultRecord {
  const decoded = decodeResult(text);
  if (decoded.ok) return decoded.value;
  throw new StoreError(`the worker's record cannot be read: ${decoded.refusal.detail}`);
}

function notHere(what: string): BrokerUnavailable {
  return new BrokerUnavailable(
    `${what} cannot be had in a child of a worker's pool: open them in another program, or run the task in the pool 'async'`,
  );
}
