// A worker dies at each single thing that it asks of its stores, before it was done and after: whatever the line, each callback is
// sent once, and nothing is left.
import { afterEach, describe, expect, it } from 'vitest';
import { currentTask } from '../../src/app/running/context.ts';
import { App, type AppOptions, chain, chord, type Signature } from '../../src/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { MemoryConsumer } from '../../src/stores/memory/memory-transport.ts';
import { Worker } from '../../src/worker/worker.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Run {
  readonly task: string;
  readonly id: string;
  readonly given: unknown;
}

type Add = Signature<[value: unknown], number>;

function newApp(urls: AppOptions, runs: Run[]) {
  const app = new App('flow', urls);
  const run = (task: string, given: unknown): void => {
    runs.push({ task, id: currentTask()?.request.id ?? '', given });
  };
  const sum = (value: unknown): number =>
    Array.isArray(value) ? value.reduce<number>((all, each) => all + sum(each), 0) : Number(value);
  const add = app.task('add', (value: unknown, name: string): number => {
    run(name, value);
    return sum(value) + 1;
  });
  const fail = app.task('fail', (name: string): number => {
    run(name, null);
    throw new RangeError('deliberate');
  });
  const told = app.task('told', (id: string, name: string) => run(name, id));
  return { app, add, fail, told };
}

type Tasks = ReturnType<typeof newApp>;

interface Case {
  readonly title: string;
  make(tasks: Tasks): Signature<[], number>;
  /** Each must run, and nothing else. */
  readonly names: readonly string[];
  readonly ends: number | 'ChordError';
}

const cases: readonly Case[] = [
  {
    title: 'a chain whose steps have links',
    make: ({ add }) =>
      chain(add.s(1, 'a'), (add.s('b') as Add).link(add.s('link b')), add.s('c') as Add) as Signature<
        [],
        number
      >,
    names: ['a', 'b', 'link b', 'c'],
    ends: 4,
  },
  {
    title: 'a chord in a chain, its body with a link',
    make: ({ add }) =>
      chain(
        add.s(1, 'a'),
        chord([add.s('m0') as Add, add.s('m1') as Add], (add.s('body') as Add).link(add.s('link'))),
        add.s('last') as Add,
      ) as Signature<[], number>,
    names: ['a', 'm0', 'm1', 'body', 'link', 'last'],
    ends: 8,
  },
  {
    title: 'a chord in a chord',
    make: ({ add }) =>
      chord(
        [chord([add.s(1, 'm0'), add.s(2, 'm1')], add.s('inner') as Add), add.s(3, 'm2')],
        add.s('outer') as Add,
      ),
    names: ['m0', 'm1', 'm2', 'inner', 'outer'],
    ends: 11,
  },
  {
    title: 'a chord whose member fails, in a chord',
    make: ({ add, fail, told }) =>
      chord(
        [
          chord([add.s(1, 'm0'), fail.s('f')], add.s('never') as Add).linkError(told.s('inner error')),
          add.s(3, 'm2'),
        ],
        add.s('never') as Add,
      ).linkError(told.s('outer error')),
    names: ['m0', 'f', 'm2', 'inner error', 'outer error'],
    ends: 'ChordError',
  },
];

describe.each(['one store', 'two stores'])('a worker that dies at any step, with %s', (kind) => {
  it.each(cases)('$title', async ({ make, names, ends }) => {
    for (let step = 0, last = Number.POSITIVE_INFINITY; step <= last; step++) {
      for (const phase of ['before', 'after'] as const) {
        const broker = `memory://${crypto.randomUUID()}`;
        const backend = kind === 'one store' ? broker : `memory://${crypto.randomUUID()}`;
        const runsOfFirst: Run[] = [];
        const later: Run[] = [];
        const sender = newApp({ broker, backend }, []);
        open.push(() => sender.app.close());
        const first = newApp({ broker, backend }, runsOfFirst);
        const death = await mortal(first.app, step, phase, runsOfFirst);
        const result = await make(sender).delay();
        // With a clock of its own nobody watches its event loop, which would go on after its death.
        const clock = { ...systemClock };
        const mortalWorker = new Worker(first.app, { concurrency: 1, logger: silentLogger, clock });
        await mortalWorker.start();
        const over = atRest(sender.app);
        if ((await Promise.race([over.then(() => 'over'), death.died])) === 'over') {
          last = Math.min(last, death.steps());
          open.push(() => mortalWorker.stop({ cold: true }));
        } else {
          // What is dead is not stopped: it waits for answers that never come.
          const second = newApp({ broker, backend }, later);
          const worker = new Worker(second.app, { concurrency: 1, logger: silentLogger });
          open.push(() => worker.stop());
          await worker.start();
          await over;
        }
        const about = `${phase} step ${step}: ${death.name()}`;
        const end: unknown = await result.get({ timeout: 50, propagate: false });
        if (ends === 'ChordError') expect(end, about).toMatchObject({ name: 'ChordError' });
        else expect(end, about).toBe(ends);
        // What was not recorded is run again: the task that ended, and the one that was begun meanwhile. A callback that was sent twice
        // would have two ids, or run again after that.
        const runs = [...runsOfFirst.slice(0, death.runs()), ...later];
        const ids = new Set(runs.map(({ task, id }) => `${task} ${id}`));
        expect([...ids].map((each) => each.slice(0, each.lastIndexOf(' '))).sort(), about).toEqual(
          [...names].sort(),
        );
        // Between two stores a broker that cannot tell a second message from the first may have two for a moment.
        const doubtful = kind === 'two stores' ? 1 : 0;
        const once = new Set(later.map(({ id }) => id));
        expect(later.length - once.size, `${about}: ${JSON.stringify(runs)}`).toBeLessThanOrEqual(doubtful);
        expect(runs.length - names.length, `${about}: ${JSON.stringify(runs)}`).toBeLessThanOrEqual(2);
        for (const close of open.splice(0).reverse()) await close();
      }
    }
  });
});

/** All that this application's worker asks of its stores is counted, and with the step of that number it dies. */
async function mortal(
  app: App,
  step: number,
  phase: 'before' | 'after',
  runs: readonly Run[],
): Promise<{ readonly died: Promise<string>; steps(): number; name(): string; runs(): number }> {
  const { transport, backend } = await app.open();
  let count = 0;
  let dead = false;
  let name = 'none';
  let before = Number.POSITIVE_INFINITY; // what one that is dead runs on is no run
  let tell: (how: string) => void = () => {};
  const died = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const consumers: MemoryConsumer[] = [];
  const never = new Promise<never>(() => {});
  const wrap = <Args extends readonly unknown[], R>(
    what: string,
    does: (...args: Args) => Promise<R>,
  ): ((...args: Args) => Promise<R>) => {
    return async (...args) => {
      if (dead) return never;
      if (count++ !== step) return does(...args);
      name = what;
      if (phase === 'after') await does(...args);
      dead = true;
      before = runs.length;
      for (const consumer of consumers) {
        consumer.die();
        void consumer.close(); // it claims nothing more
      }
      tell('died');
      return never;
    };
  };
  if (backend === null || backend.chords === undefined) throw new Error('no chords');
  backend.put = wrap('put', backend.put.bind(backend));
  backend.get = wrap('get', backend.get.bind(backend));
  const { chords } = backend;
  chords.add = wrap('chords.add', chords.add.bind(chords));
  chords.parts = wrap('chords.parts', chords.parts.bind(chords));
  chords.done = wrap('chords.done', chords.done.bind(chords));
  chords.resize = wrap('chords.resize', chords.resize.bind(chords));
  transport.publish = wrap('publish', transport.publish.bind(transport));
  const consume = transport.consume.bind(transport);
  transport.consume = async (options) => {
    const consumer = await consume(options);
    if (!(consumer instanceof MemoryConsumer)) throw new TypeError('not in memory');
    consumers.push(consumer);
    const claim = consumer.claim.bind(consumer);
    consumer.claim = async (capacity, signal) => {
      const deliveries = await claim(capacity, signal);
      for (const delivery of deliveries) delivery.settle = wrap('settle', delivery.settle.bind(delivery));
      return dead ? never : deliveries;
    };
    return consumer;
  };
  return { died, steps: () => count, name: () => name, runs: () => before };
}

/** When nothing is left to run, for a while. */
async function atRest(app: App): Promise<void> {
  const broker = await app.broker();
  for (let quiet = 0; quiet < 3; await new Promise((resolve) => setTimeout(resolve, 2))) {
    const { ready, scheduled, claimed } = await broker.size(app.config.taskDefaultQueue);
    quiet = ready + scheduled + claimed === 0 ? quiet + 1 : 0;
  }
}
