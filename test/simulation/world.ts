// A world on a virtual clock: events in order of their time, everything random from one seed, and real code run between them.
import { type Clock, sleepOn } from '../../src/lib/clock.ts';
import { Heap } from '../../src/lib/heap.ts';
import { type Random, seeded } from '../e2e/harness/random.ts';

interface Event {
  readonly at: number;
  readonly number: number;
  readonly act: () => void;
}

const beginning = 1_700_000_000_000;

export class World {
  readonly random: Random;
  #elapsed = 0;
  #number = 0;
  readonly #events = new Heap<Event>((a, b) => a.at - b.at || a.number - b.number);

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  /** Milliseconds since it began. */
  get elapsed(): number {
    return this.#elapsed;
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return beginning + this.#elapsed;
  }

  after(ms: number, act: () => void): void {
    this.#events.push({ at: this.#elapsed + ms, number: this.#number++, act });
  }

  /** One time in so many. */
  oneIn(many: number): boolean {
    return this.random.below(many) === 0;
  }

  /** Event after event; `step` after each, when all code that it woke has come to rest. Ends when `done`, or at `untilMs`. */
  async run(untilMs: number, step: () => void, done: () => boolean): Promise<void> {
    const real = { now: Date.now, performance: performance.now, random: Math.random };
    Date.now = () => this.now;
    performance.now = () => this.#elapsed;
    Math.random = () => this.random.below(1_000_000) / 1_000_000;
    try {
      for (let next = this.#events.pop(); next !== undefined; next = this.#events.pop()) {
        if (next.at > untilMs) return;
        this.#elapsed = Math.max(this.#elapsed, next.at);
        next.act();
        await rest();
        step();
        if (done()) return;
      }
    } finally {
      Date.now = real.now;
      performance.now = real.performance;
      Math.random = real.random;
    }
  }
}

/** Of one process: what happens to it while it stands still happens when it goes on, and never when it is dead. */
export class Process {
  readonly name: string;
  readonly world: World;
  readonly clock: Clock;
  state: 'runs' | 'stands' | 'dead' = 'runs';
  #late: (() => void)[] = [];

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
    this.clock = {
      now: () => world.now,
      monotonic: () => world.elapsed,
      after: (ms, then) => {
        let isOff = false;
        this.after(ms, () => {
          if (!isOff) then();
        });
        return () => {
          isOff = true;
        };
      },
      sleep: (ms, signal) => sleepOn(this.clock, ms, signal),
    };
  }

  after(ms: number, act: () => void): void {
    this.world.after(ms, () => this.do(act));
  }

  /** Now, or when it goes on. */
  do(act: () => void): void {
    if (this.state === 'runs') act();
    else if (this.state === 'stands') this.#late.push(act);
  }

  goOn(): void {
    if (this.state !== 'stands') return;
    this.state = 'runs';
    const late = this.#late;
    this.#late = [];
    for (const act of late) act();
  }
}

async function rest(): Promise<void> {
  // Code under test may itself wait for the next turn.
  for (let turn = 0; turn < 2; turn++) await new Promise<void>((done) => setImmediate(done));
}
