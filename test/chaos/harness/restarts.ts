// Deployments under load: workers are asked to stop (SIGTERM) at random moments, one after the other, and replaced.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../../e2e/harness/program.ts';
import { seeded } from '../../e2e/harness/random.ts';
import type { Cycled, CycleOptions } from './cycle.ts';
import { ChaosTrial } from './trial.ts';

const crew = 4;
const mix = { step: 12, again: 2, later: 2, chain: 2, chord: 1, spawn: 1 };
/** The longest task; and 2 s. */
const graceMs = 2_100;

/** `kills`: how many stops. */
export async function restarts({ place, pool, kills, seed }: CycleOptions): Promise<Cycled> {
  const startedAt = Date.now();
  const random = seeded(seed);
  // Kept on a busy machine.
  await using trial = new ChaosTrial({ place, pool, lease: 8 });
  await trial.send({ mix: { step: 1 } });
  const workers: Program[] = await Promise.all(Array.from({ length: crew }, () => trial.worker()));
  let over = false;
  const sending = (async () => {
    while (!over) await trial.send({ mix, ms: 30, everyMs: 5 });
  })();
  const exits: number[] = [];
  const wrong: string[] = [];
  for (let stops = 0; stops < kills; stops++) {
    trial.prepare();
    const place = stops % crew;
    const worker = workers[place];
    if (worker === undefined) break;
    if (random.below(8) > 0) await worker.line('ready', 0, 90_000); // else it may be asked while it joins
    await sleep(random.below(150));
    const at = performance.now();
    await trial.end(worker, 'term');
    const { code } = await worker.exited;
    exits.push(performance.now() - at);
    // Before `run` is called a signal just ends the process.
    const isEarly = code === null && !worker.lines.includes('ready');
    if (code !== 0 && !isEarly) wrong.push(`worker ${worker.pid} has ended with ${code}\n${worker.errors}`);
    workers[place] = await trial.worker();
  }
  over = true;
  await sending;
  const judged = await trial.verdict();
  exits.sort((a, b) => a - b);
  const slowest = exits.at(-1) ?? 0;
  console.log(
    `    ${exits.length} stops: half within ${exits[exits.length >> 1]?.toFixed(0)} ms, the slowest ${slowest.toFixed(0)} ms`,
  );
  if (slowest > graceMs) wrong.push(`a worker took ${slowest.toFixed(0)} ms to end`);
  return {
    ...judged,
    wrong: [...judged.wrong, ...wrong],
    point: 'SIGTERM',
    place: place.name,
    pool,
    kills: exits.length,
    seconds: (Date.now() - startedAt) / 1000,
    seed,
  };
}
