// One run: an application's workers - the real Worker, Processor, Settler, claim loop and patience - around a model of the store, with
// what can happen to processes and networks; after each step the promises are checked.

import { App } from '../../src/app/app.ts';
import { chain } from '../../src/app/compose.ts';
import { Reject } from '../../src/app/running/outcome.ts';
import type { Stores } from '../../src/sending/sending-app.ts';
import type { Publication, Transport } from '../../src/stores/transport.ts';
import { Worker } from '../../src/worker/worker.ts';
import { backendOf, Line, transportOf, type Weather } from './client.ts';
import { type Bug, type Deed, Store } from './store.ts';
import { Watcher } from './watcher.ts';
import { Process, World } from './world.ts';

export interface Simulated {
  /** What is wrong, in words; nothing is good. */
  readonly wrong: readonly string[];
  readonly steps: number;
  readonly faults: number;
  readonly runs: number;
  /** How all went: the same for the same seed. */
  readonly trace: string;
}

const workers = 2;
const slots = 3;
const leaseMs = 6000;
const faultsUntilMs = 15_000;
/** Until then all must have come to its end: a lease, and some tries. */
const untilMs = 120_000;

type Kind = 'plain' | 'again' | 'fails' | 'follows' | 'later' | 'rejects' | 'poison' | 'early';
const kinds: readonly Kind[] = ['plain', 'plain', 'again', 'fails', 'follows', 'later', 'rejects', 'early'];

/** `bug`: what is planted in the store. */
export async function simulate(seed: number, bug: Bug | null = null): Promise<Simulated> {
  return new Simulation(seed, bug).run();
}

interface Member {
  readonly process: Process;
  readonly worker: Worker;
  leaving: boolean;
}

class Simulation {
  readonly #world: World;
  readonly #store: Store;
  readonly #watcher: Watcher;
  readonly #weather: Weather = { loseOneIn: 0, refuses: false };
  readonly #crew: Member[] = [];
  readonly #trace: string[] = [];
  #faults = 0;
  #steps = 0;
  #names = 0;
  #isOver = false;

  constructor(seed: number, bug: Bug | null) {
    this.#world = new World(seed);
    const isOne = this.#world.oneIn(2);
    this.#watcher = new Watcher(this.#world, isOne);
    const tell = (deed: Deed): void => {
      if (deed.kind !== 'renewed')
        this.#trace.push(`${this.#world.elapsed} ${Object.values(deed).join(' ')}`);
      this.#watcher.did(deed);
    };
    this.#store = new Store(this.#world, isOne, bug, tell);
  }

  async run(): Promise<Simulated> {
    const world = this.#world;
    const poison = world.oneIn(4);
    for (let n = 0; n < workers; n++) world.after(world.random.below(50), () => this.#start());
    const tasks = 4 + world.random.below(8);
    for (let n = 0; n < tasks; n++) {
      const kind = poison && n === 2 ? 'poison' : (kinds[world.random.below(kinds.length)] ?? 'plain');
      world.after(world.random.below(8000), () => this.#send(`${kind}-${n}`, kind));
    }
    for (let n = world.random.below(6); n > 0; n--)
      world.after(500 + world.random.below(faultsUntilMs - 4000), () => this.#fault());
    world.after(faultsUntilMs, () => this.#calm());
    await world.run(
      untilMs,
      () => {
        this.#steps++;
        this.#watcher.check(this.#store);
      },
      () => this.#isOver,
    );
    if (!this.#isOver) this.#watcher.complain('the workers do not stop');
    return {
      wrong: this.#watcher.wrong,
      steps: this.#steps,
      faults: this.#faults,
      runs: this.#watcher.runs,
      trace: this.#trace.join('\n'),
    };
  }

  #start(): void {
    const process = new Process(`w${this.#names++}`, this.#world);
    const app = this.#app(process);
    const line = new Line(process, this.#store, this.#weather);
    app.useStores({ transport: transportOf(process, line), backend: backendOf(line), history: null });
    const worker = new Worker(app, { clock: process.clock, concurrency: slots, name: process.name });
    this.#crew.push({ process, worker, leaving: false });
    worker
      .start()
      .catch((error: unknown) => this.#watcher.complain(`a worker does not start: ${String(error)}`));
  }

  #app(process: Process): App {
    const watcher = this.#watcher;
    const app = new App('simulated', {
      broker: 'redis://simulated',
      backend: 'redis://simulated',
      workerLease: leaseMs / 1000,
      workerEnableRemoteControl: false,
    });
    const body = (end: (retries: number) => unknown) =>
      async function run(
        task: { readonly request: { readonly id: string; readonly retries: number } },
        ms: number,
      ): Promise<unknown> {
        const { id, retries } = task.request;
        const run = watcher.began(process, id, retries);
        await process.clock.sleep(ms);
        watcher.ended(id, run);
        return end(retries) ?? run;
      };
    app.task(
      'plain',
      { bind: true },
      body(() => undefined),
    );
    app.task(
      'early',
      { bind: true, acksLate: false },
      body(() => undefined),
    );
    app.task('again', { bind: true }, async (task, ms: number) => {
      const { id, retries } = task.request;
      const run = watcher.began(process, id, retries);
      await process.clock.sleep(ms);
      if (retries < 2) throw task.retry({ countdown: 1 });
      watcher.ended(id, run);
      return run;
    });
    app.task(
      'fails',
      { bind: true },
      body(() => {
        throw new RangeError('meant');
      }),
    );
    app.task('rejects', { bind: true }, async (task, ms: number) => {
      watcher.began(process, task.request.id, task.request.retries);
      await process.clock.sleep(ms);
      throw new Reject('meant');
    });
    app.task('poison', { bind: true }, async (task) => {
      watcher.began(process, task.request.id, task.request.retries);
      this.#kill(process);
      await process.clock.sleep(1);
    });
    return app;
  }

  /** What the real sender makes of the call is sent by a process that nothing happens to, over the same network. */
  #send(id: string, kind: Kind): void {
    const world = this.#world;
    const sender = new Process('sender', world);
    const line = new Line(new Process(`sender-${id}`, world), this.#store, this.#weather);
    const app = this.#app(sender);
    const eta = kind === 'later' ? new Date(world.now + 1000 + world.random.below(4000)) : null;
    const ids = kind === 'follows' ? [id, `${id}-next`] : [id];
    const capture: Pick<Transport, 'publish'> = {
      publish: async (publications: readonly Publication[]) => this.#hand(line, ids, publications),
    };
    const transport = { ...transportOf(sender, line), ...capture };
    app.useStores({ transport, backend: backendOf(line), history: null } satisfies Stores);
    for (const each of ids) this.#watcher.sending(each, eta, kind);
    const name = kind === 'follows' || kind === 'later' ? 'plain' : kind;
    const task = app.tasks.get(name);
    if (task === undefined) throw new Error(`there is no task ${name}`);
    const args = [10 + world.random.below(1500)];
    const sending =
      kind === 'follows'
        ? chain(
            app.signature('plain', args, { immutable: true, taskId: id }),
            app.signature('plain', [20], { immutable: true, taskId: `${id}-next` }),
          ).delay()
        : app.send(name, args, { taskId: id, ...(eta && { eta }) });
    sending.catch((error: unknown) => this.#watcher.complain(`cannot send: ${String(error)}`));
  }

  #hand(line: Line, ids: readonly string[], publications: readonly Publication[]): void {
    const attempt = (): void => {
      line
        .ask('send', () => this.#store.send(publications))
        .then(
          () => {
            for (const id of ids) this.#watcher.acknowledged(id);
          },
          () => this.#world.after(500, attempt),
        );
    };
    attempt();
  }

  #fault(): void {
    const world = this.#world;
    const alive = this.#crew.filter(({ process, leaving }) => process.state === 'runs' && !leaving);
    const victim = alive[world.random.below(alive.length)];
    this.#faults++;
    switch (world.random.below(6)) {
      case 0:
      case 1:
        if (victim) this.#kill(victim.process);
        return;
      case 2: {
        if (!victim) return;
        const { process } = victim;
        this.#trace.push(`${world.elapsed} stands ${process.name}`);
        process.state = 'stands';
        this.#watcher.disturbed(process);
        world.after(500 + world.random.below(14_000), () => process.goOn());
        return;
      }
      case 3:
        if (victim) void this.#replace(victim);
        return;
      case 4:
        this.#weather.loseOneIn = 3;
        world.after(2000, () => {
          this.#weather.loseOneIn = 0;
        });
        return;
      default:
        this.#weather.refuses = true;
        world.after(1500, () => {
          this.#weather.refuses = false;
        });
    }
  }

  /** As at a deployment: asked to stop, warm or cold, and followed by another one. */
  async #replace(member: Member): Promise<void> {
    const { process, worker } = member;
    member.leaving = true;
    this.#watcher.disturbed(process);
    this.#trace.push(`${this.#world.elapsed} is asked to stop ${process.name}`);
    await worker.stop({ cold: this.#world.oneIn(2) });
    if (process.state !== 'runs') return;
    this.#watcher.left(process, this.#store);
    this.#start();
  }

  #kill(process: Process): void {
    if (process.state === 'dead') return;
    this.#trace.push(`${this.#world.elapsed} dies ${process.name}`);
    process.state = 'dead';
    this.#watcher.disturbed(process);
    this.#world.after(200, () => this.#start());
  }

  /** No more faults: everything comes to its end, and then the workers are asked to stop. */
  #calm(): void {
    for (const { process } of this.#crew) process.goOn();
    this.#weather.loseOneIn = 0;
    this.#weather.refuses = false;
    const look = (): void => {
      const late = this.#world.elapsed > untilMs - 30_000;
      if (this.#watcher.isAtRest(this.#store) || late) void this.#stop();
      else this.#world.after(250, look);
    };
    this.#world.after(1000, look);
  }

  async #stop(): Promise<void> {
    await Promise.all(
      this.#crew
        .filter(({ process }) => process.state !== 'dead')
        .map(async ({ process, worker }) => {
          await worker.stop();
          this.#watcher.left(process, this.#store);
        }),
    );
    this.#watcher.conclude(this.#store);
    this.#isOver = true;
  }
}
