// Hours in small: a steady stream of tasks, a fault now and then, and a look at what grows: memory and handles of a worker that nothing is
// done to, keys and clients of the server.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../e2e/harness/random.ts';
import type { Cycled, CycleOptions } from './cycle.ts';
import type { Inside } from './places.ts';
import { ChaosTrial } from './trial.ts';

export interface SoakOptions extends CycleOptions {
  readonly seconds: number;
  /** Tasks a second. */
  readonly rate: number;
  readonly faultEveryMs: number;
}

interface Sample extends Inside {
  readonly rss: number;
  readonly handles: number;
}

const mix = { step: 14, again: 2, later: 1, chain: 1, chord: 1, spawn: 1 };
const inMix = Object.values(mix).reduce((sum, count) => sum + count, 0);

export async function soak(options: SoakOptions): Promise<Cycled> {
  const { place, pool, seed, seconds, rate, faultEveryMs } = options;
  const startedAt = Date.now();
  const random = seeded(seed);
  await using trial = new ChaosTrial({ place, pool });
  await trial.send({ mix: { step: 1 } });
  const steady = await trial.worker();
  await steady.line('ready', 0, 90_000);
  let victim = await trial.worker();
  const samples: Sample[] = [];
  let [faults, nextFault, nextSample] = [0, startedAt + faultEveryMs, startedAt];
  for (const end = startedAt + seconds * 1000; Date.now() < end; ) {
    const at = Date.now();
    await trial.send({ mix, ms: 2 });
    if (at >= nextSample) {
      samples.push(look(steady.pid, await place.inspect()));
      nextSample = at + (seconds * 1000) / 40;
    }
    if (at >= nextFault) {
      nextFault = at + faultEveryMs;
      faults++;
      if (random.below(3) === 0 && place.cut !== null) await place.cut();
      else {
        trial.prepare();
        await trial.end(victim, random.below(2) === 0 ? 'kill' : 'term');
        victim = await trial.worker();
      }
    }
    await sleep(Math.max(0, at + (1000 * inMix) / rate - Date.now()));
  }
  const sent = trial.sent;
  const tookMs = Date.now() - startedAt;
  const judged = await trial.verdict(place.cut === null ? [] : ['unexplained', 'overBound', 'unfenced']);
  const early = samples.slice(samples.length >> 2, samples.length >> 1);
  const late = samples.slice(-(samples.length >> 2));
  const grown = (value: (sample: Sample) => number): number =>
    Math.round(median(late, value) - median(early, value));
  const found = {
    'tasks a second': Math.round((sent * 1000) / tookMs),
    faults,
    'memory, kB': grown(({ rss }) => rss),
    handles: grown(({ handles }) => handles),
    keys: grown(({ keys }) => keys),
    clients: grown(({ clients }) => clients),
    channels: grown(({ channels }) => channels),
    queues: grown(({ queues }) => queues),
  };
  console.log(`    soak of ${seconds} s, from the second quarter to the last: ${JSON.stringify(found)}`);
  const wrong = [
    ...(found['memory, kB'] > 20_000 ? [`memory grows by ${found['memory, kB']} kB`] : []),
    ...(found.handles > 10 ? [`${found.handles} more handles`] : []),
    ...(found.keys > 50 ? [`${found.keys} more keys`] : []),
    ...(found.clients > 4 ? [`${found.clients} more clients`] : []),
    ...(found.channels > 4 ? [`${found.channels} more channels`] : []),
    ...(found.queues > 4 ? [`${found.queues} more queues`] : []),
  ];
  return {
    ...judged,
    wrong: [...judged.wrong, ...wrong],
    point: `soak ${seconds} s`,
    place: place.name,
    pool,
    kills: faults,
    seconds: tookMs / 1000,
    seed,
  };
}

function look(pid: number, server: Inside): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  return { rss, handles: readdirSync(`/proc/${pid}/fd`).length, ...server };
}

function median(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const values = samples.map(value).sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}
