// Random workflows on real stores, run by a real worker, come to what the algebra says, run each task as often as it says, and leave
// nothing: 5 on each store, in the long run 3,000.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App, type AsyncResult } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { scaled, seed } from '../run/scale.ts';
import { until } from '../until.ts';
import { evaluate, runText } from '../workflow/evaluate.ts';
import { endOf } from '../workflow/outcome.ts';
import {
  type Described,
  defineRandomTasks,
  type SignatureMaker,
  workflows,
} from '../workflow/random-workflow.ts';
import { type Place, storeKinds } from './stores.ts';

const numRuns = scaled(5, 3000);
/** So many run beside each other, each in an application of its own. */
const lanes = 4;

class Lane implements AsyncDisposable {
  readonly app: App;
  readonly #worker: Worker;
  readonly #make: SignatureMaker;
  readonly #runs: string[] = [];

  constructor(urls: { broker: string; backend: string }) {
    const queue = `q${crypto.randomUUID()}`;
    this.app = new App('property', { ...urls, taskDefaultQueue: queue });
    this.#make = defineRandomTasks(this.app, (n, input) => this.#runs.push(runText(n, input)));
    this.#worker = new Worker(this.app, { queues: [queue], concurrency: 3, logger: silentLogger });
  }

  start(): Promise<void> {
    return this.#worker.start();
  }

  async check(described: Described): Promise<void> {
    const expected = evaluate(described);
    this.#runs.length = 0;
    // Of types that are known when it runs.
    const signature = this.#make(described) as unknown as { delay(): Promise<AsyncResult> };
    const result = await signature.delay();
    expect(await endOf(result)).toEqual(expected.end);
    await this.#rest(expected.ran.length);
    expect([...this.#runs].sort()).toEqual([...expected.ran].sort());
  }

  /** Until as many have run as should, and nothing is left to run. */
  async #rest(count: number): Promise<void> {
    const broker = await this.app.broker();
    const queue = this.app.config.taskDefaultQueue;
    await until(
      async () => {
        const { ready, scheduled, claimed } = await broker.size(queue);
        return this.#runs.length >= count && ready + scheduled + claimed === 0;
      },
      () => `${count} runs, and nothing left; there were ${this.#runs.length}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.stop({ cold: true });
    await this.app.close();
  }
}

for (const kind of storeKinds) {
  needs(describe, kind.missing)(`random workflows on ${kind.name}`, () => {
    let place: Place;
    const open: Lane[] = [];
    beforeAll(async () => {
      place = await kind.start();
      for (let n = 0; n < lanes; n++) {
        const lane = new Lane(await place.next());
        open.push(lane);
        await lane.start();
      }
    });
    afterAll(async () => {
      for (const lane of open) await lane[Symbol.asyncDispose]();
      await place?.[Symbol.asyncDispose]();
    });

    const title = `come to what the algebra says, and leave nothing (${numRuns}, seed ${seed})`;
    it(title, { timeout: scaled(300_000, 1_800_000) }, async () => {
      await Promise.all(
        open.map((lane, n) =>
          fc.assert(
            fc.asyncProperty(workflows(4), (described) => lane.check(described)),
            // Not made smaller: whoever fails by waiting would wait for each try.
            { numRuns: Math.ceil(numRuns / lanes), seed: seed + n, endOnFailure: true },
          ),
        ),
      );
      expect(await place.openChords()).toEqual([]);
    });
  });
}
