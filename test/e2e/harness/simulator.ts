// A tiny queue in memory, honest or with one planted bug: what the checkers are checked with.
// Discrete events on a virtual clock; everything random comes from the seed.
import type { Facts, RecordedResult } from './checkers.ts';
import type { Entry } from './ledger.ts';
import { type Random, seeded } from './random.ts';

export type Bug =
  | 'acknowledges before it runs'
  | 'drops one send in fifty'
  | 'hands out a finished task again'
  | 'forgets the tasks of a dead worker'
  | 'takes half a minute to notice a death'
  | 'runs a task that nobody sent'
  | 'runs before the eta'
  | 'records the result of another task'
  | 'records no result'
  | 'hands one task to two workers'
  | 'gives back the tasks of the living too'
  | 'buries what it cannot finish at once'
  | 'lets a late owner overwrite the result'
  | 'leaves a stopped worker its tasks for ever';

export interface Simulation {
  readonly ledger: readonly Entry[];
  readonly facts: Facts;
}

export const simulatedSlots = 4;
const tasks = 400;
const taskMs = 20;
const noticeMs = 500;
const giveUpMs = 60_000;

/** 400 tasks, 2 workers of 4 slots, 8 kills and 2 stops. */
export function simulate(seed: number, bug: Bug | null = null): Simulation {
  return new Queue(seeded(seed), bug).run();
}

interface Task {
  readonly id: string;
  readonly eta: number | null;
  claims: number;
}

interface Worker {
  readonly pid: number;
  alive: boolean;
  stoppedUntil: number;
  /** Holds its leases no more; it does not know. */
  evicted: boolean;
  readonly held: Set<Task>;
}

class Queue {
  readonly #random: Random;
  readonly #bug: Bug | null;
  readonly #ledger: Entry[] = [];
  readonly #events: { at: number; act: () => void }[] = [];
  readonly #ready: Task[] = [];
  readonly #scheduled = new Set<Task>();
  readonly #results = new Map<string, RecordedResult>();
  readonly #dead = new Set<string>();
  readonly #workers: Worker[] = [];
  #now = 1_000_000;
  #pid = 100;
  #runs = 0;
  #planted = false;

  constructor(random: Random, bug: Bug | null) {
    this.#random = random;
    this.#bug = bug;
  }

  run(): Simulation {
    for (let number = 0; number < tasks; number++) this.#in(number * 8, () => this.#send(number));
    for (let number = 0; number < 2; number++) this.#startWorker();
    for (let number = 1; number <= 8; number++)
      this.#in(number * 350 + this.#random.below(100), () => this.#kill());
    for (const atMs of [600, 1900]) this.#in(atMs, () => this.#stop());
    const end = this.#now + giveUpMs;
    for (;;) {
      this.#events.sort((a, b) => a.at - b.at);
      const next = this.#events.shift();
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      next.act();
    }
    const held = this.#workers.flatMap((worker) => [...worker.held]);
    const waiting = new Set([...this.#ready, ...this.#scheduled, ...held].map(({ id }) => id));
    return {
      ledger: this.#ledger,
      facts: { at: this.#now, results: this.#results, dead: this.#dead, waiting },
    };
  }

  #send(number: number): void {
    const id = `task-${number}`;
    const eta = number % 10 === 0 ? this.#now + 300 : null;
    this.#ledger.push({ kind: 'invoke', id, at: this.#now, ...(eta === null ? {} : { eta }) });
    const task: Task = { id, eta, claims: 0 };
    if (this.#bug !== 'drops one send in fifty' || number % 50 !== 7) this.#publish(task);
    this.#ledger.push({ kind: 'ok', id, at: this.#now });
    if (this.#bug === 'runs a task that nobody sent' && number === 33)
      this.#publish({ id: 'an-invention', eta: null, claims: 0 });
  }

  #publish(task: Task): void {
    const haste = this.#bug === 'runs before the eta' ? 30 : 0;
    if (task.eta === null) {
      this.#ready.push(task);
      this.#claimAll();
      return;
    }
    this.#scheduled.add(task);
    this.#at(task.eta - haste, () => {
      if (this.#scheduled.delete(task)) this.#ready.push(task);
      this.#claimAll();
    });
  }

  #claimAll(): void {
    for (const worker of this.#workers) {
      while (this.#works(worker) && worker.held.size < simulatedSlots) {
        const task = this.#ready.shift();
        if (task === undefined) return;
        this.#begin(worker, task);
        if (this.#bug === 'hands one task to two workers' && !this.#planted) {
          const other = this.#workers.find((each) => each !== worker && this.#works(each));
          this.#planted = other !== undefined;
          if (other !== undefined) this.#begin(other, task);
        }
      }
    }
  }

  #works(worker: Worker): boolean {
    return worker.alive && !worker.evicted && worker.stoppedUntil <= this.#now;
  }

  #begin(worker: Worker, task: Task): void {
    if (this.#results.has(task.id) && this.#bug !== 'hands out a finished task again') return;
    if (this.#bug !== 'acknowledges before it runs') worker.held.add(task);
    task.claims++;
    const run = `run-${++this.#runs}`;
    const common = { id: task.id, run, pid: worker.pid };
    this.#ledger.push({ kind: 'start', ...common, at: this.#now, retries: 0 });
    const end = (): void => {
      if (!worker.alive) return;
      if (worker.stoppedUntil > this.#now) {
        this.#at(worker.stoppedUntil, end);
        return;
      }
      this.#ledger.push({ kind: 'end', ...common, at: this.#now });
      this.#settle(worker, task, run);
    };
    this.#in(taskMs + this.#random.below(5), end);
  }

  #settle(worker: Worker, task: Task, run: string): void {
    const holds = worker.held.delete(task) && !worker.evicted;
    const mayWrite = holds || this.#bug === 'acknowledges before it runs';
    if (mayWrite || this.#bug === 'lets a late owner overwrite the result') {
      const wrong = this.#bug === 'records the result of another task' && task.id === 'task-50';
      const late = this.#bug === 'lets a late owner overwrite the result';
      const records = this.#bug !== 'records no result' || task.id !== 'task-60';
      if (records && (late || !this.#results.has(task.id)))
        this.#results.set(task.id, {
          status: 'SUCCESS',
          run: wrong ? 'run-1' : run,
          doneAt: this.#now,
        });
    }
    if (this.#bug === 'hands out a finished task again' && task.id === 'task-120' && task.claims === 1)
      this.#in(50, () => {
        this.#ready.push(task);
        this.#claimAll();
      });
    if (worker.evicted && worker.held.size === 0) worker.evicted = false;
    this.#claimAll();
  }

  #startWorker(): void {
    this.#workers.push({ pid: ++this.#pid, alive: true, stoppedUntil: 0, evicted: false, held: new Set() });
    this.#claimAll();
  }

  #kill(): void {
    const victims = this.#workers.filter((worker) => this.#works(worker));
    const victim = victims[this.#random.below(victims.length)];
    if (victim === undefined) return;
    victim.alive = false;
    this.#ledger.push({ kind: 'fault', fault: 'kill', pid: victim.pid, at: this.#now, until: this.#now });
    this.#in(100, () => this.#startWorker());
    const notice = this.#bug === 'takes half a minute to notice a death' ? 30_000 : noticeMs;
    this.#in(notice, () => this.#giveBack(victim));
  }

  #stop(): void {
    const victim = this.#workers.find((worker) => this.#works(worker) && worker.held.size > 0);
    if (victim === undefined) {
      this.#in(5, () => this.#stop());
      return;
    }
    victim.stoppedUntil = this.#now + 1500;
    this.#ledger.push({
      kind: 'fault',
      fault: 'stop',
      pid: victim.pid,
      at: this.#now,
      until: victim.stoppedUntil,
    });
    if (this.#bug === 'leaves a stopped worker its tasks for ever') {
      victim.stoppedUntil = Number.POSITIVE_INFINITY;
      return;
    }
    this.#in(noticeMs, () => {
      victim.evicted = true;
      this.#giveBack(victim, false);
    });
    this.#at(victim.stoppedUntil, () => {
      if (victim.held.size === 0) victim.evicted = false;
      this.#claimAll();
    });
  }

  #giveBack(worker: Worker, clear = true): void {
    if (this.#bug === 'forgets the tasks of a dead worker' && clear) return;
    const givers = this.#bug === 'gives back the tasks of the living too' ? this.#workers : [worker];
    for (const giver of givers) {
      for (const task of giver.held) {
        if (this.#bug === 'buries what it cannot finish at once') this.#dead.add(task.id);
        else this.#ready.unshift(task);
      }
      if (clear || giver !== worker) giver.held.clear();
    }
    this.#claimAll();
  }

  #in(delayMs: number, act: () => void): void {
    this.#at(this.#now + delayMs, act);
  }

  #at(at: number, act: () => void): void {
    this.#events.push({ at, act });
  }
}
