// The whole of the chaos proofs: `npm run chaos`. Options: --place sqlite,redis,rabbitmq  --only <point>  --pool async
// --kills 20  --seed 1
import { parseArgs } from 'node:util';
import { type Cycled, cycle } from './harness/cycle.ts';
import { Servers } from './harness/places.ts';
import { type PlaceName, type PoolName, points } from './harness/points.ts';
import { preparePrograms } from './harness/programs.ts';
import { line, sum, title } from './harness/table.ts';

const { values } = parseArgs({
  options: {
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
const all = (await Promise.all(places.map(lane))).flat();
console.log(sum(all));
process.exitCode = all.some(({ wrong }) => wrong.length > 0) ? 1 : 0;

/** One place, point after point. */
async function lane(name: PlaceName): Promise<Cycled[]> {
  await using servers = await Servers.start(name);
  const done: Cycled[] = [];
  for (const [index, point] of points.entries()) {
    if (!point.places.includes(name) || !matches(point.name, values.only)) continue;
    for (const pool of point.pools as PoolName[]) {
      if (values.pool !== undefined && values.pool !== pool) continue;
      const cycled = await cycle(point, { place: servers.fresh(), pool, kills, seed: seed + index });
      done.push(cycled);
      console.log(line(cycled));
      for (const each of cycled.wrong.slice(0, values.verbose ? 1000 : 3)) console.log(`    ${each}`);
      if (values.verbose && cycled.wrong.length > 0)
        for (const entry of cycled.ledger) console.log(`    ${JSON.stringify(entry)}`);
    }
  }
  return done;
}

function matches(name: string, only: string | undefined): boolean {
  return only === undefined || only.split(',').some((each) => name.startsWith(each));
}
