// Each single thing that is said between a program and its broker is lost once, after the broker has acted or before it has heard
// of it: joining, sending, claiming, settling with a result, a retry, a countdown, the news of a result, leaving. Default run: a few of them,
// the same each time (every 47th on Redis, every 83rd on RabbitMQ, where only replies); long run: each, also with results in another
// database, and how soon tasks go on is judged.
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { App } from '../../src/app/app.ts';
import { BrokerUnavailable, SendUnconfirmed } from '../../src/errors.ts';
import { Worker } from '../../src/worker/worker.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong, scaled, seed } from '../run/scale.ts';
import { type Direction, FaultProxy, type Loss } from '../servers/fault-proxy.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until, within } from '../until.ts';
import { MemoryLog } from '../worker/memory-log.ts';
import { check, guilty } from './harness/checkers.ts';
import type { Entry } from './harness/ledger.ts';
import { onRabbit, onRedis, type Place } from './harness/places.ts';
import { allowed, figures, trialMs } from './harness/trial.ts';

/** More than any cycle says: a cycle that grew beyond it is not proved to its end. */
const most = 400;
/** Tasks go on after a loss within this time. */
const resumeMs = 5000;

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});
const add = <T extends AsyncDisposable>(thing: T): T => {
  opened.push(thing);
  return thing;
};

interface Setup {
  readonly name: string;
  /** Past the proxy. */
  readonly place: Place;
  readonly proxy: FaultProxy;
  readonly broker: string;
  readonly backend: string;
  /** The store takes an id once, so that a send in doubt may be repeated. */
  readonly once: boolean;
  /** A connection that is lost is a lease that is lost. */
  readonly repeats: boolean;
  /** Every so many-th thing is lost. */
  readonly stride: number;
}

describe.each(['reply', 'request'] as const)('any %s of a whole cycle is lost once', (what) => {
  const timeout = trialMs;

  needs(it, noRedis)(
    'on Redis: nothing is lost, sent twice, run twice or left behind',
    { timeout },
    async () => {
      await loseEach(what, await redis(0));
    },
  );

  needs(it, noRedis ?? inLongRun)(
    'on Redis with results in another database: the same',
    { timeout },
    async () => {
      await loseEach(what, await redis(1));
    },
  );

  // What RabbitMQ has done and nobody knows is the worse of the two.
  needs(it, noRabbit ?? noRedis ?? (what === 'request' ? inLongRun : undefined))(
    'on RabbitMQ: nothing is lost, nothing runs again that is recorded, nothing is left behind',
    { timeout },
    async () => {
      await loseEach(what, await rabbit());
    },
  );
});

async function redis(resultDb: number): Promise<Setup> {
  const server = await RedisServerProcess.shared();
  const proxy = add(await FaultProxy.before(server.port, 'redis'));
  return {
    name: resultDb === 0 ? 'Redis' : 'Redis, results in another database',
    place: onRedis(server, resultDb),
    proxy,
    broker: `redis://127.0.0.1:${proxy.port}/${server.db(0)}`,
    backend: `redis://127.0.0.1:${proxy.port}/${server.db(resultDb)}`,
    once: true,
    repeats: false,
    stride: scaled(47, 1),
  };
}

async function rabbit(): Promise<Setup> {
  const results = await RedisServerProcess.shared();
  const server = await RabbitServerProcess.shared();
  const proxy = add(await FaultProxy.before(server.port, 'amqp'));
  const place = onRabbit(server, results);
  return {
    name: 'RabbitMQ',
    place,
    proxy,
    broker: place.broker.replace(`:${server.port}/`, `:${proxy.port}/`),
    backend: place.backend,
    once: false,
    repeats: true,
    stride: scaled(83, 1),
  };
}

async function loseEach(what: Direction, setup: Setup): Promise<void> {
  const { stride } = setup;
  const tally = { lost: 0, unconfirmed: 0, repeats: 0, slowestMs: 0 };
  const names = new Map<string, number>();
  for (let nth = 1 + (seed % stride); nth <= most; nth += stride) {
    const cycle = new Cycle(setup, `${what} ${nth}`);
    const loss = setup.proxy.lose(what, nth);
    try {
      await cycle.run(loss);
    } catch (error) {
      throw new Error(`${setup.name}, ${what} ${nth} (${loss.lost}): ${error}\n${cycle}`, { cause: error });
    }
    setup.proxy.heal();
    if (loss.lost === null) {
      const table = [...names].map(([name, count]) => `${name} ${count}`).join(', ');
      figures(
        `${setup.name}: ${stride === 1 ? 'each' : `each ${stride}th`} ${what} lost once (seed ${seed}), ` +
          `${tally.lost} cycles: lost 0, finished twice 0, ` +
          `sends in doubt ${tally.unconfirmed}, repeats ${tally.repeats}, slowest cycle ${tally.slowestMs} ms\n  (${table})`,
      );
      expect(tally.lost, 'a cycle says more than that').toBeGreaterThan(40 / stride);
      return;
    }
    tally.lost++;
    tally.unconfirmed += cycle.unconfirmed;
    tally.repeats += cycle.repeats;
    tally.slowestMs = Math.max(tally.slowestMs, cycle.tookMs);
    // A greeting that is not answered is given up first.
    const withinMs = loss.lost.startsWith('connection.') ? 2 * resumeMs : resumeMs;
    if (isLong) expect(cycle.tookMs, `${what} ${nth} (${loss.lost})`).toBeLessThan(withinMs);
    names.set(loss.lost, (names.get(loss.lost) ?? 0) + 1);
  }
  throw new Error(`a cycle has more than ${most} ${what}s`);
}

/** A worker comes, tasks are sent, run and waited for, the worker leaves; and then it is looked at what happened and what is there. */
class Cycle {
  unconfirmed = 0;
  repeats = 0;
  tookMs = 0;
  readonly #setup: Setup;
  readonly #title: string;
  readonly #ledger: Entry[] = [];
  readonly #sends: (() => Promise<void>)[] = [];

  constructor(setup: Setup, title: string) {
    this.#setup = setup;
    this.#title = `${setup.name}, ${title}`;
  }

  async run(loss: Loss): Promise<void> {
    const since = performance.now();
    const at = Date.now();
    const { broker, backend, place, repeats } = this.#setup;
    {
      await using app = this.#app(broker, backend);
      const worker = new Worker(app, { concurrency: 2, logger: new MemoryLog() });
      await within(worker.start(), `${this.#title}: the worker starts`);
      await Promise.all(this.#sends.map((send) => send()));
      const worked = performance.now();
      await within(worker.stop(), `${this.#title}: the worker stops`);
      this.tookMs = Math.round(worked - since);
    }
    if (repeats && loss.lost !== null)
      this.#ledger.push({ kind: 'fault', fault: 'outage', pid: process.pid, at, until: Date.now() });
    await using view = await place.look();
    let facts = await view.facts();
    // The word that it was done with was lost: it comes again, to whoever is there, and must not run if it is recorded. What waits in a
    // quorum queue is counted late: then the next one takes it.
    for (let workers = 0; facts.waiting.size > 0 && workers < 4; workers++) {
      await using app = this.#app(place.broker, place.backend);
      const worker = new Worker(app, { concurrency: 2, logger: new MemoryLog() });
      await worker.start();
      // Also what the worker holds is not done with yet; RabbitMQ notices by heartbeats that a connection is none.
      await until(async () => (await view.messages()) === 0, 'nothing is left').catch(() => undefined);
      await worker.stop();
      facts = await view.facts();
    }
    const own = new Set(this.#ledger.flatMap((entry) => (entry.kind === 'invoke' ? [entry.id] : [])));
    const results = new Map([...facts.results].filter(([id]) => own.has(id)));
    const report = check(this.#ledger, { ...facts, results }, allowed(2));
    const why = `${this.#title} (${loss.lost}): ${JSON.stringify({ report, ledger: this.#ledger })}`;
    expect(guilty(report), why).toEqual([]);
    expect([...facts.waiting], why).toEqual([]);
    const begun = this.#ledger.flatMap((entry) =>
      entry.kind === 'start' ? [`${entry.id} ${entry.retries}`] : [],
    );
    this.repeats = begun.length - new Set(begun).size;
  }

  toString(): string {
    return this.#ledger.map((entry) => JSON.stringify(entry)).join('\n');
  }

  #app(broker: string, backend: string): App {
    const app = new App('cycle', { broker, backend, taskPublishTimeout: 30 });
    const plain = app.task('plain', { bind: true }, async ({ request }) => {
      const run = this.#begin(request.id, request.retries);
      await sleep(2);
      return run.end();
    });
    const again = app.task('again', { bind: true, maxRetries: 2 }, (task) => {
      const run = this.#begin(task.request.id, task.request.retries);
      if (task.request.retries === 0) throw task.retry(undefined, { countdown: 0.05 });
      return run.end();
    });
    this.#sends.splice(0);
    this.#sends.push(
      () => this.#send((taskId) => plain.applyAsync([], { taskId })),
      () => this.#send((taskId) => again.applyAsync([], { taskId })),
      () => this.#send((taskId) => plain.applyAsync([], { taskId, countdown: 0.1 }), 100),
    );
    return app;
  }

  #begin(id: string, retries: number): { end(): string } {
    const common = { id, run: randomUUID(), pid: process.pid };
    this.#ledger.push({ kind: 'start', ...common, retries, at: Date.now() });
    return {
      end: () => {
        this.#ledger.push({ kind: 'end', ...common, at: Date.now() });
        return common.run;
      },
    };
  }

  async #send(
    send: (taskId: string) => Promise<{ get(options: { timeout: number }): Promise<unknown> }>,
    countdown?: number,
  ): Promise<void> {
    const id = randomUUID();
    const at = Date.now();
    this.#ledger.push({ kind: 'invoke', id, at, ...(countdown !== undefined && { eta: at + countdown }) });
    for (let tries = 0; ; tries++) {
      try {
        const handle = await send(id);
        this.#ledger.push({ kind: 'ok', id, at: Date.now() });
        await within(handle.get({ timeout: 50 }), `${this.#title}: a result`);
        return;
      } catch (error) {
        const inDoubt = error instanceof SendUnconfirmed;
        if (inDoubt) this.unconfirmed++;
        // Where an id is taken once, this is harmless, and is tried; elsewhere it is the caller's to decide.
        if (tries < 3 && (error instanceof BrokerUnavailable || (inDoubt && this.#setup.once))) continue;
        this.#ledger.push({ kind: 'fail', id, at: Date.now(), error: String(error) });
        if (inDoubt) return;
        throw error;
      }
    }
  }
}
