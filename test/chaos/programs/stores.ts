// The stores of a worker under test with a named point before and after each of their operations.
import type { App } from 'umbel';
import { BrokerUnavailable } from 'umbel';
import type { ResultBackend } from 'umbel/results';
import type { Consumer, Delivery, Settlement, Transport } from 'umbel/transports';
import { hit } from './failpoint.ts';

/** From now on the application's stores have points. */
export async function pointed(app: App): Promise<void> {
  const inner = app as unknown as Inner; // what its declarations leave out
  const stores = await inner.open();
  const { transport, backend } = stores;
  inner.useStores({
    ...stores, // there are more of them
    transport: pointedTransport(transport),
    backend: backend && pointedBackend(backend),
  });
}

interface Inner {
  open(): Promise<Stores>;
  useStores(stores: Stores): void;
}

interface Stores {
  readonly transport: Transport;
  readonly backend: ResultBackend | null;
}

function pointedTransport(transport: Transport): Transport {
  return replaced(transport, {
    consume: async (options) => pointedConsumer(await around('join', () => transport.consume(options))),
    publish: (publications, options) => around('publish', () => transport.publish(publications, options)),
    revocations: replaced(transport.revocations, {
      read: () => around('revocations', () => transport.revocations.read()),
    }),
  });
}

function pointedConsumer(consumer: Consumer): Consumer {
  return replaced(consumer, {
    claim: async (capacity, signal) => {
      await refusable('claim:before');
      const deliveries = await consumer.claim(capacity, signal);
      if (deliveries.length > 0) await hit('claim:after');
      return deliveries.map(pointedDelivery);
    },
    close: () => around('leave', () => consumer.close()),
  });
}

function pointedDelivery(delivery: Delivery): Delivery {
  return replaced(delivery, {
    settle: async (settlement) => {
      const name = nameOf(settlement, delivery);
      await refusable(`${name}:before`);
      const settled = await delivery.settle(settlement);
      await hit(`${name}:after`);
      return settled;
    },
  });
}

function nameOf(settlement: Settlement, { message }: Delivery): string {
  if (settlement.kind === 'dead') return 'dead-letter';
  if (settlement.kind === 'release') {
    if (settlement.deferred) return 'defer';
    if (settlement.crashed) return 'crash';
    return settlement.until === null ? 'release' : 'schedule';
  }
  const next = settlement.publish?.[0];
  if (next === undefined) return 'ack';
  const id = message.ok ? message.value.headers.id : undefined;
  if (next.message.headers.id !== id) return 'link';
  return Number(next.message.headers.retries) > 0 ? 'retry' : 'requeue';
}

function pointedBackend(backend: ResultBackend): ResultBackend {
  const { chords } = backend;
  return replaced(backend, {
    put: (record, address) =>
      around(record.dateDone === null ? 'state' : 'result', () => backend.put(record, address)),
    get: (id) => around('lookup', () => backend.get(id)),
    ...(chords && {
      chords: replaced(chords, {
        resize: (groupId, size) => around('chord-size', () => chords.resize(groupId, size)),
        add: (part, place) => around('chord-part', () => chords.add(part, place)),
        parts: (groupId) => around('chord-read', () => chords.parts(groupId)),
        done: (groupId) => around('chord-end', () => chords.done(groupId)),
      }),
    }),
  });
}

async function around<T>(name: string, operation: () => Promise<T>): Promise<T> {
  await refusable(`${name}:before`);
  const result = await operation();
  await hit(`${name}:after`);
  return result;
}

/** A point at which `throw` is a store that refuses. */
async function refusable(name: string): Promise<void> {
  try {
    await hit(name);
  } catch (error) {
    throw new BrokerUnavailable(`the store refuses: ${name}`, { cause: error });
  }
}

/** The same object with some of its members replaced. Its methods go on with their own fields. */
function replaced<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      if (key in members) return members[key as keyof T];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
