// Everything at once: tasks of every kind, a few workers, and one of them killed at a random moment again and again.
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../../e2e/harness/random.ts';
import type { Cycled, CycleOptions } from './cycle.ts';
import type { Mix } from './points.ts';
import { ChaosTrial } from './trial.ts';

export interface StormOptions extends CycleOptions {
  readonly tasks: number;
}

const crew = 3;
/** Twenty tasks, and those that they send and start. */
const mix: Mix = {
  step: 8,
  again: 2,
  later: 2,
  chain: 2,
  chord: 2,
  spawn: 1,
  reject: 1,
  requeue: 1,
  limited: 1,
};
const inMix = Object.values(mix).reduce((sum, count) => sum + count, 0);

export async function storm({ place, pool, kills, tasks, seed }: StormOptions): Promise<Cycled> {
  const startedAt = Date.now();
  const random = seeded(seed);
  // Kept on a busy machine.
  await using trial = new ChaosTrial({ place, pool, lease: 8 });
  await trial.send({ mix: { step: 1 } });
  const workers = await Promise.all(Array.from({ length: crew }, () => trial.worker()));
  let killed = 0;
  const sending = (async () => {
    for (let sent = 0; sent < tasks; sent += inMix) {
      await trial.send({ mix, ms: 2 });
      // Neither far ahead of the kills nor behind them.
      while (sent / tasks > (killed + 1) / kills && killed < kills) await sleep(20);
    }
  })();
  const sendingFailed = sending.then(
    () => null,
    (error: unknown) => error,
  );
  for (; killed < kills; killed++) {
    trial.prepare();
    await sleep(random.below(400));
    const victim = random.below(crew);
    const worker = workers[victim];
    if (worker === undefined) break;
    await trial.end(worker, 'kill');
    const next = await trial.worker();
    workers[victim] = next;
    if (random.below(4) > 0) await next.line('ready', 0, 90_000); // else the next kill may hit one that joins
  }
  const failure = await sendingFailed;
  if (failure !== null) throw failure;
  const judged = await trial.verdict();
  return {
    ...judged,
    point: 'storm',
    place: place.name,
    pool,
    kills: killed,
    seconds: (Date.now() - startedAt) / 1000,
    seed,
  };
}
