// The chaos proofs: `npm run chaos`. Options:
//   --what points,storm,pause,terms,soak,future,peers,faults   --place sqlite,redis,rabbitmq   --only <points that begin so>   --pool async   --seed 1   --verbose
//   --what readers,store,queues,exchanges,flaps,refusals,failover,rights,flush (faults by name)   --rounds 10 (of each)
//   --lanes 2 (trials at once on each place)   --keep <folder> (for the ledgers of trials with a finding)
//   (--only: in this order)
//   --kills 20 (at each point)   --tasks 20000 --storm-kills 200 (of the storm)   --seconds 60 (of a pause)
//   --stops 240 (of terms: SIGTERM)   --future 100000   --soak 1200 --rate 200 --fault-every 30 (seconds of a soak, tasks a second)
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Cycled, cycle } from './harness/cycle.ts';
import { faults, harm } from './harness/faults.ts';
import { future } from './harness/future.ts';
import { pause } from './harness/pause.ts';
import { type ChaosPlace, Servers } from './harness/places.ts';
import { type PlaceName, type PoolName, points } from './harness/points.ts';
import { preparePrograms } from './harness/programs.ts';
import { restarts } from './harness/restarts.ts';
import { soak } from './harness/soak.ts';
import { storm } from './harness/storm.ts';
import { line, sum, title } from './harness/table.ts';

const { values } = parseArgs({
  options: {
    what: { type: 'string', default: 'points,storm,pause,terms' },
    tasks: { type: 'string', default: '20000' },
    'storm-kills': { type: 'string', default: '200' },
    future: { type: 'string', default: '100000' },
    stops: { type: 'string', default: '240' },
    soak: { type: 'string', default: '1200' },
    rate: { type: 'string', default: '200' },
    'fault-every': { type: 'string', default: '30' },
    seconds: { type: 'string', default: '60' },
    place: { type: 'string', default: 'sqlite,redis,rabbitmq' },
    only: { type: 'string' },
    pool: { type: 'string' },
    lanes: { type: 'string', default: '2' },
    kills: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const kills = Number(values.kills);
const places = values.place.split(',') as PlaceName[]; // an unknown name has no points

await preparePrograms();
console.log(`seed ${seed} (--seed ${seed} replays the choices)\n${title}`);
if (does('peers')) {
  const { probePeers } = await import('./peers/probe.ts');
  await probePeers({ kills, tasks: 1500, seed });
}
const lanes = Math.max(1, Number(values.lanes));
const all = (await Promise.all(places.map(run))).flat();
console.log(sum(all));
if (all.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1;

type Trial = (place: ChaosPlace) => Promise<Cycled | string>;

/** One place: its trials in lanes, each lane with servers of its own. */
async function run(name: PlaceName): Promise<Cycled[]> {
  const trials = trialsOn(name);
  const size = Math.min(lanes, trials.length);
  return (await Promise.all(Array.from({ length: size }, () => lane(name, trials)))).flat();
}

/** One trial after the other, as long as there are any. */
async function lane(name: PlaceName, trials: Trial[]): Promise<Cycled[]> {
  await using servers = await Servers.start(name);
  const done: Cycled[] = [];
  for (let trial = trials.shift(); trial !== undefined; trial = trials.shift()) {
    try {
      const found = await trial(servers.fresh());
      if (typeof found === 'string') console.log(found);
      else {
        done.push(found);
        tell(found);
      }
    } catch (error) {
      console.log(`a trial on ${name} did not come to its end: ${String(error)}`);
      process.exitCode = 1;
    }
  }
  return done;
}

function trialsOn(name: PlaceName): Trial[] {
  const pool = (values.pool ?? 'async') as PoolName; // an unknown one is refused by the worker
  const trials: Trial[] = [];
  const chosen = [...points.entries()]
    .filter(([, point]) => does('points') && point.places.includes(name) && rank(point.name) >= 0)
    .sort(([, a], [, b]) => rank(a.name) - rank(b.name));
  for (const [index, point] of chosen) {
    for (const each of point.pools)
      if (values.pool === undefined || values.pool === each)
        trials.push((place) => cycle(point, { place, pool: each, kills, seed: seed + index }));
  }
  const rounds = Number(values.rounds);
  for (const fault of faults)
    if (fault.places.includes(name) && (does('faults') || does(fault.name)))
      trials.push((place) => harm(fault, { place, pool, kills: rounds, seed }));
  const seconds = Number(values.seconds);
  if (does('pause')) trials.push((place) => pause({ place, pool, seconds, seed }));
  const size = { kills: Number(values['storm-kills']), tasks: Number(values.tasks) };
  if (does('storm')) trials.push((place) => storm({ place, pool, ...size, seed }));
  const stops = Number(values.stops);
  if (does('terms')) trials.push((place) => restarts({ place, pool, kills: stops, seed }));
  const faultEveryMs = Number(values['fault-every']) * 1000;
  const steady = { seconds: Number(values.soak), rate: Number(values.rate), faultEveryMs };
  if (does('soak')) trials.push((place) => soak({ place, pool, kills: 0, ...steady, seed }));
  if (does('future')) trials.push((place) => future(place, Number(values.future), 100));
  return trials;
}

function tell(found: Cycled): void {
  console.log(line(found));
  for (const each of found.wrong.slice(0, values.verbose ? 1000 : 3)) console.log(`    ${each}`);
  if (found.wrong.length === 0 || values.keep === undefined) return;
  mkdirSync(values.keep, { recursive: true });
  const file = join(values.keep, `${found.place}-${found.pool}-${found.point.replace(/\W+/g, '-')}.jsonl`);
  const facts = [...found.facts.results].map(([id, result]) => ({ id, ...result }));
  const lines = [{ wrong: found.wrong }, ...found.ledger, ...facts].map((each) => JSON.stringify(each));
  writeFileSync(file, `${lines.join('\n')}\n`);
}

function does(what: string): boolean {
  return values.what.split(',').includes(what);
}

/** Which of the wanted beginnings it has; -1: none. */
function rank(name: string): number {
  return (values.only ?? '').split(',').findIndex((each) => name.startsWith(each));
}
