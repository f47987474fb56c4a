// Runs the conformance suites under vitest.
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Consumer, Transport } from '../../src/stores/transport.ts';
import { backendConformance } from '../../src/testing/backend-suite.ts';
import type { ConformanceCase } from '../../src/testing/conformance.ts';
import { transportConformance } from '../../src/testing/transport-suite.ts';
import type { Store } from './stores.ts';

/** Both suites on the stores of one driver, a new one for each case. */
export function conformance(driver: string, newStore: () => Store): void {
  transportCases(driver, newStore);
  backendCases(driver, newStore);
}

/** The transport's suite alone, for a driver that keeps no results. `every`: 4 is each fourth case. */
export function transportCases(driver: string, newStore: () => Omit<Store, 'openBackend'>, every = 1): void {
  describe(`${driver} transport`, () => {
    cases(
      transportConformance.filter((_, n) => n % every === 0),
      newStore,
      async (store, opened) => opened.add(await store.openTransport()).features,
      (store, opened) => {
        const handles = new Map<Consumer, Transport>();
        return {
          open: async (options) => {
            const transport = opened.add(await store.openTransport(options));
            const consume = transport.consume.bind(transport);
            transport.consume = async (options) => {
              const consumer = await consume(options);
              handles.set(consumer, transport);
              return consumer;
            };
            return transport;
          },
          openBackend: async (transport, options) =>
            opened.add(await store.openBackendOf(transport, options)),
          putRaw: (queue, raw) => store.putRaw(queue, raw),
          kill: async (consumer) => {
            const handle = handles.get(consumer);
            if (handle === undefined) throw new TypeError('not a consumer of this store');
            await store.kill(consumer, handle);
          },
        };
      },
    );
  });
}

/** The result backend's suite alone, for a driver that moves no messages. */
export function backendCases(driver: string, newStore: () => Pick<Store, 'openBackend' | 'remove'>): void {
  describe(`${driver} result backend`, () => {
    cases(
      backendConformance,
      newStore,
      async (store, opened) => opened.add(await store.openBackend({ expiresMs: null })).features,
      (store, opened) => ({ open: async (options) => opened.add(await store.openBackend(options)) }),
    );
  });
}

function cases<Harness, Features extends object, Place extends Pick<Store, 'remove'>>(
  suite: readonly ConformanceCase<Harness, Features>[],
  newStore: () => Place,
  ask: (store: Place, opened: Opened) => Promise<Features>,
  make: (store: Place, opened: Opened) => Harness,
): void {
  let features: Features;
  const first = newStore();
  const opened = new Opened();
  beforeAll(async () => {
    features = await ask(first, opened);
  });
  afterAll(async () => {
    await opened.close();
    await first.remove();
  });
  for (const { title, needs, run } of suite) {
    test(title, async (context) => {
      const missing = needs.filter((feature) => !features[feature]);
      if (missing.length > 0) context.skip(`the driver does not declare: ${missing.join(', ')}`);
      const store = newStore();
      const opened = new Opened();
      try {
        await run(make(store, opened));
      } finally {
        await opened.close();
        await store.remove();
      }
    });
  }
}

/** What was opened, closed at the end, the last first. */
export class Opened {
  readonly #things: AsyncDisposable[] = [];

  add<T extends AsyncDisposable>(thing: T): T {
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (const thing of this.#things.splice(0).reverse()) await thing[Symbol.asyncDispose]();
  }
}
