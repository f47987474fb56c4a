// The chaos proofs: `npm run chaos`. Options:
//   --what points,storm,pause,terms,soak,future,peers   --place sqlite,redis,rabbitmq   --only <points that begin so>   --pool async   --seed 1   --verbose
//   --kills 20 (at each point)   --tasks 20000 --storm-kills 200 (of the storm)   --seconds 60 (of a pause)
//   --stops 240 (of terms: SIGTERM)   --future 100000   --soak 1200 --rate 200 --fault-every 30 (seconds of a soak, tasks a second)
import { parseArgs } from 'node:util';
import { type Cycled, cycle } from './harness/cycle.ts';
import { future } from './harness/future.ts';
import { pause } from './harness/pause.ts';
import { Servers } from './harness/places.ts';
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
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
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
const all = (await Promise.all(places.map(lane))).flat();
console.log(sum(all));
if (all.some(({ wrong }) => wrong.length > 0)) process.exitCode = 1;

/** One place, one trial after the other. */
async function lane(name: PlaceName): Promise<Cycled[]> {
  await using servers = await Servers.start(name);
  const done: Cycled[] = [];
  const note = async (trial: Promise<Cycled>): Promise<void> => {
    const cycled = await trial.catch((error: unknown) => {
      console.log(`a trial on ${name} did not come to its end: ${String(error)}`);
      process.exitCode = 1;
      return null;
    });
    if (cycled === null) return;
    done.push(cycled);
    console.log(line(cycled));
    for (const each of cycled.wrong.slice(0, values.verbose ? 1000 : 3)) console.log(`    ${each}`);
    if (values.verbose && cycled.wrong.length > 0)
      for (const entry of cycled.ledger) console.log(`    ${JSON.stringify(entry)}`);
  };
  const pool = (values.pool ?? 'async') as PoolName; // an unknown one is refused by the worker
  for (const [index, point] of points.entries()) {
    if (!does('points') || !point.places.includes(name) || !matches(point.name, values.only)) continue;
    for (const each of point.pools)
      if (values.pool === undefined || values.pool === each)
        await note(cycle(point, { place: servers.fresh(), pool: each, kills, seed: seed + index }));
  }
  if (does('pause')) {
    const seconds = Number(values.seconds);
    await note(pause({ place: servers.fresh(), pool, seconds, seed }));
  }
  if (does('storm')) {
    const size = { kills: Number(values['storm-kills']), tasks: Number(values.tasks) };
    await note(storm({ place: servers.fresh(), pool, ...size, seed }));
  }
  if (does('terms'))
    await note(restarts({ place: servers.fresh(), pool, kills: Number(values.stops), seed }));
  if (does('soak')) {
    const faultEveryMs = Number(values['fault-every']) * 1000;
    const steady = { seconds: Number(values.soak), rate: Number(values.rate), faultEveryMs };
    await note(soak({ place: servers.fresh(), pool, kills: 0, ...steady, seed }));
  }
  if (does('future')) console.log(await future(servers.fresh(), Number(values.future), 100));
  return done;
}

function does(what: string): boolean {
  return values.what.split(',').includes(what);
}

function matches(name: string, only: string | undefined): boolean {
  return only === undefined || only.split(',').some((each) => name.startsWith(each));
}
