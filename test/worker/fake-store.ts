import type { ResultRecord } from '../../src/protocol/result-meta.ts';
import type { ResultBackend } from '../../src/stores/backend.ts';
import type { StoreWrite } from '../../src/stores/store-write.ts';
import type { Delivery, Publication, Settlement, Transport } from '../../src/stores/transport.ts';

/** A step that a worker took at a store. */
export type Step =
  | { readonly kind: 'settle'; readonly settlement: Settlement }
  | { readonly kind: 'put'; readonly record: ResultRecord }
  | { readonly kind: 'publish'; readonly publications: readonly Publication[] };

/** A broker and a backend that write down what is asked of them, and refuse when they are told to. */
export class FakeStore {
  readonly steps: Step[] = [];
  readonly records: ResultRecord[] = [];
  /** What the next steps are refused with, one after another. */
  readonly refusals: Error[] = [];
  readonly lease: AbortController = new AbortController();
  answer: 'settled' | 'fenced' = 'settled';
  /** What the backend holds. */
  stored: ResultRecord | undefined;

  readonly transport: Transport;
  readonly backend: ResultBackend;

  constructor(options: { readonly together: boolean }) {
    const place = {};
    // Only what a settlement needs; anything else would be a mistake of the test.
    this.transport = {
      name: 'fake',
      store: place,
      features: {
        priority: true,
        priorityOrder: 'lowest-first',
        exchanges: false,
        once: false,
        multiProcess: false,
        durable: true,
        atomicSettlement: true,
        leaseExpires: true,
      },
      publish: async (publications: readonly Publication[]) => this.#step({ kind: 'publish', publications }),
    } as unknown as Transport;
    this.backend = {
      name: 'fake',
      store: options.together ? place : {},
      put: async (record: ResultRecord) => this.#step({ kind: 'put', record }),
      writeOf: (record: ResultRecord): StoreWrite => {
        this.records.push(record);
        return { store: place, apply: () => true };
      },
      get: async () => {
        const refusal = this.refusals.shift();
        if (refusal) throw refusal;
        return this.stored;
      },
    } as unknown as ResultBackend;
  }

  delivery(changes: Partial<Delivery> = {}): Delivery {
    return {
      queue: 'celery',
      raw: new Uint8Array(),
      message: { ok: false, refusal: { reason: 'envelope', detail: 'not needed' } },
      redelivered: false,
      crashes: 0,
      deferrals: 0,
      lost: this.lease.signal,
      get isLost() {
        return this.lost.aborted;
      },
      settle: async (settlement) => {
        this.#step({ kind: 'settle', settlement });
        return this.answer;
      },
      ...changes,
    };
  }

  #step(step: Step): void {
    const refusal = this.refusals.shift();
    if (refusal) throw refusal;
    this.steps.push(step);
  }
}
