// Faults by name, each done again and again to work that goes on, with the verdict of the checkers: what people and other programs do to a
// store while workers use it.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as Rights from '../../../src/stores/redis/rights.ts';
import { builtModule } from '../../e2e/harness/built.ts';
import type { Program } from '../../e2e/harness/program.ts';
import { type Random, seeded } from '../../e2e/harness/random.ts';
import {
  damageStore,
  deleteExchange,
  deleteIfNothingWaits,
  deleteStore,
  readings,
  refusals,
  replaceStore,
  right,
  shell,
} from '../../servers/harm.ts';
import type { Cycled, CycleOptions } from './cycle.ts';
import { type ChaosPlace, Replica } from './places.ts';
import type { Mix, PlaceName } from './points.ts';
import { ChaosTrial } from './trial.ts';

export interface Fault {
  readonly name: string;
  readonly places: readonly PlaceName[];
  /** What is sent in each round. */
  readonly mix: Mix;
  /** How long each task runs, milliseconds. */
  readonly ms: number;
  /** It is done when all that was sent has ended: what waited would be gone with its store. */
  readonly atRest?: boolean;
  /** Its Redis has a replica. */
  readonly replicated?: boolean;
  /** What is too late, where it is not the 20 s of the promise. */
  readonly limitMs?: number;
  /** Findings that nobody can rule out after it. */
  readonly tolerated?: readonly string[];
  once(scene: Scene): Promise<void>;
}

interface Scene {
  readonly trial: ChaosTrial;
  readonly place: ChaosPlace;
  readonly random: Random;
  readonly workers: readonly Program[];
  readonly replica: Replica | null;
  /** Ends those that are left, with their sender, and starts others. */
  anew(): Promise<void>;
}

const crew = 2;
const everything: Mix = { step: 8, again: 2, later: 2, chain: 2, chord: 2, spawn: 1, reject: 1, requeue: 1 };
/** Without those that leave a dead letter, which would be gone, too. */
const { reject: _, ...forgettable } = everything;
const workflows: Mix = { chord: 4, chain: 3, spawn: 2, again: 2 };
const delays: readonly string[] = [
  'celery_delayed_delivery',
  'umbel_delayed_delivery',
  'umbel_delayed_queues',
];
/** One who has lost its store ends within this time. */
const endsMs = 30_000;

export const faults: readonly Fault[] = [
  {
    name: 'readers',
    places: ['sqlite'],
    mix: everything,
    ms: 5,
    async once({ trial, random }) {
      for (let times = 0; times < 5; times++) {
        shell(trial.file, choice(random, readings));
        await sleep(random.below(30));
      }
    },
  },
  {
    name: 'store',
    places: ['sqlite'],
    mix: forgettable,
    ms: 5,
    atRest: true,
    tolerated: ['falseResult'], // the results are gone with it
    async once({ trial, random, workers, anew }) {
      choice(random, [deleteStore, replaceStore])(trial.file);
      for (const worker of workers) await mustEnd(worker, 'its store is gone');
      await trial.clear();
      if (existsSync(trial.file)) {
        damageStore(trial.file);
        const worker = await trial.worker();
        await mustEnd(worker, 'its store is damaged');
      }
      deleteStore(trial.file);
      await anew();
    },
  },
  {
    name: 'queues',
    places: ['rabbitmq'],
    mix: everything,
    ms: 5,
    atRest: true,
    async once({ trial, place: { rabbit } }) {
      if (rabbit === null) return;
      const before = trial.started;
      await trial.send({ mix: { step: 6 }, ms: 600 });
      await trial.until(() => trial.started === before + 6, endsMs);
      if (!(await deleteIfNothingWaits(rabbit.server, rabbit.vhost, 'celery')))
        throw new Error('the queue is not there, or something waits in it');
    },
  },
  {
    name: 'exchanges',
    places: ['rabbitmq'],
    mix: { ...everything, again: 4, later: 4 },
    ms: 5,
    limitMs: 200_000, // RabbitMQ tries again within three minutes
    async once({ place: { rabbit }, random }) {
      if (rabbit === null) return;
      const exchange = choice(random, delays);
      await deleteExchange(rabbit.server, rabbit.vhost, exchange);
      await sleep(random.below(500));
    },
  },
  {
    name: 'flaps',
    places: ['redis', 'rabbitmq'],
    mix: { step: 12, chord: 1 },
    ms: 1500,
    async once({ place, random }) {
      for (let times = 0; times < 3; times++) {
        await place.cut?.();
        await sleep(100 + random.below(500));
      }
    },
  },
  {
    name: 'refusals',
    places: ['redis', 'rabbitmq'],
    mix: workflows,
    ms: 20,
    async once({ place, random }) {
      const [, refuse, allow] = choice(random, refusals);
      place.redis?.cli(...refuse);
      await sleep(100 + random.below(700));
      place.redis?.cli(...allow);
    },
  },
  {
    // Members of chords end while the master refuses to write, is asked to give way, is a replica, and has too few replicas.
    name: 'failover',
    places: ['redis', 'rabbitmq'],
    mix: { chord: 8, chain: 2, again: 2 },
    ms: 60,
    replicated: true,
    async once({ replica, random }) {
      if (replica === null) return;
      for (const way of ['there', 'back']) {
        await replica.failOver();
        await sleep(random.below(300));
        if (way === 'back') continue;
        const { master } = replica;
        master.cli('CONFIG', 'SET', 'min-replicas-to-write', '2');
        await sleep(100 + random.below(400));
        master.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
      }
    },
  },
  {
    name: 'rights',
    places: ['redis'],
    mix: everything,
    ms: 5,
    async once({ place, random }) {
      const { workerCommands } = await builtModule<typeof Rights>('stores/redis/rights');
      const [take, give] = right(choice(random, workerCommands));
      place.redis?.cli(...take);
      await sleep(100 + random.below(700));
      place.redis?.cli(...give);
    },
  },
  {
    name: 'flush',
    places: ['redis'],
    mix: forgettable,
    ms: 5,
    atRest: true,
    tolerated: ['falseResult'], // the results are gone with all else
    async once({ place, random }) {
      await sleep(random.below(300)); // they wait
      place.redis?.cli('FLUSHALL');
    },
  },
];

export async function harm(fault: Fault, options: CycleOptions): Promise<Cycled> {
  const { pool, kills: rounds, seed, limitMs = fault.limitMs } = options;
  const startedAt = Date.now();
  const random = seeded(seed);
  await using replica = fault.replicated === true ? await Replica.of(options.place) : null;
  const place = replica?.place ?? options.place;
  await using trial = new ChaosTrial({ place, pool, lease: 8, ...(limitMs !== undefined && { limitMs }) });
  const workers: Program[] = [];
  const start = async (): Promise<void> => {
    for (let number = 0; number < crew; number++) workers.push(await trial.worker());
    for (const worker of workers) await worker.line('ready', 0, 90_000);
  };
  const anew = async (): Promise<void> => {
    await trial.clear();
    workers.length = 0;
    await start();
  };
  const scene = { trial, place, random, workers, replica, anew };
  await trial.send({ mix: { step: 1 } });
  await start();
  for (let round = 0; round < rounds; round++) {
    const sending = trial.send({ mix: fault.mix, ms: fault.ms });
    sending.catch(() => undefined); // it is awaited below
    if (fault.atRest === true) {
      await sending;
      await trial.rest();
    } else await sleep(random.below(200));
    await fault.once(scene);
    await sending;
  }
  await trial.send({ mix: fault.mix, ms: 5 });
  const judged = await trial.verdict(fault.tolerated);
  return {
    ...judged,
    point: fault.name,
    place: place.name,
    pool,
    kills: rounds,
    seconds: (Date.now() - startedAt) / 1000,
    seed,
  };
}

function choice<T>(random: Random, all: readonly T[]): T {
  const one = all[random.below(all.length)];
  if (one === undefined) throw new TypeError('there is none');
  return one;
}

async function mustEnd(worker: Program, why: string): Promise<void> {
  const late = sleep(endsMs, 'late' as const, { ref: false });
  if ((await Promise.race([worker.exited, late])) === 'late')
    throw new Error(`process ${worker.pid} goes on though ${why}:\n${worker.errors}`);
}
