// Workers that stand still (SIGSTOP) for a minute in the middle of something, and go on as if nothing had been.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cycled, CycleOptions } from './cycle.ts';
import { ChaosTrial } from './trial.ts';

export interface PauseOptions extends Omit<CycleOptions, 'kills'> {
  /** For so long. */
  readonly seconds: number;
}

const spots = [
  'claim:after',
  'effect:before',
  'effect:after',
  'ack:before',
  'retry:before',
  'dead-letter:before',
  'publish:before',
  'chord-part:before',
];
const mix = { step: 4, again: 4, spawn: 4, reject: 2, chord: 2, requeue: 2 };

export async function pause({ place, pool, seconds, seed }: PauseOptions): Promise<Cycled> {
  const startedAt = Date.now();
  await using trial = new ChaosTrial({ place, pool });
  await trial.send({ mix: { step: 1 } });
  const armed = await Promise.all(
    spots.map(async (spot) => {
      const worker = await trial.worker(`${spot}:1:stop=${seconds}`);
      await worker.line('ready', 0, 90_000);
      return worker;
    }),
  );
  const stops = (): Map<number, number> =>
    new Map(
      trial.ledger.flatMap((entry) =>
        entry.kind === 'fault' && entry.fault === 'stop' ? [[entry.pid, entry.until] as const] : [],
      ),
    );
  for (const late = Date.now() + 30_000; stops().size < spots.length && Date.now() < late; await sleep(300))
    await trial.send({ mix });
  const peer = await trial.worker(); // what the others hold is run here
  const until = Math.max(...stops().values());
  const stopped = stops().size;
  await sleep(Math.max(0, until - Date.now()) + 1000);
  for (let round = 0; round < 5; round++) {
    await trial.send({ mix });
    await sleep(200);
  }
  const silent: string[] = [];
  const late = Date.now() + 20_000;
  for (const worker of [...armed, peer]) {
    const works = (): boolean =>
      trial.ledger.some((entry) => entry.kind === 'start' && entry.pid === worker.pid && entry.at > until);
    while (!works() && worker.isAlive && Date.now() < late) {
      await trial.send({ mix: { step: 30 } });
      await sleep(200);
    }
    if (!works()) silent.push(`worker ${worker.pid} takes no more tasks\n${worker.errors}`);
  }
  const judged = await trial.verdict();
  const missing = stopped < spots.length ? [`only ${stopped} of ${spots.length} workers stood still`] : [];
  return {
    ...judged,
    wrong: [...judged.wrong, ...silent, ...missing],
    point: `stop ${seconds} s`,
    place: place.name,
    pool,
    kills: stopped,
    seconds: (Date.now() - startedAt) / 1000,
    seed,
  };
}
