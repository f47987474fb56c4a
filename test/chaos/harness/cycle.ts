// Kills at one point: a worker that is armed takes part, dies there, and is followed by the next one; a peer lives through it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Entry } from '../../e2e/harness/ledger.ts';
import type { Program } from '../../e2e/harness/program.ts';
import { seeded } from '../../e2e/harness/random.ts';
import type { Judged } from './judge.ts';
import type { ChaosPlace } from './places.ts';
import type { Point, PoolName } from './points.ts';
import { ChaosTrial } from './trial.ts';

export interface CycleOptions {
  readonly place: ChaosPlace;
  readonly pool: PoolName;
  readonly kills: number;
  readonly seed: number;
  /** What is too late, where it is not the 20 s of the promise, milliseconds. */
  readonly limitMs?: number;
}

export interface Cycled extends Judged {
  readonly point: string;
  readonly place: string;
  readonly pool: string;
  /** Deaths at the point. */
  readonly kills: number;
  readonly seconds: number;
  readonly seed: number;
}

/** A worker that does not come by within this time will not. */
const comesMs = 60_000;
/** Seconds. Long enough to be kept on a busy machine; what a dead worker held comes back within the kills that follow. */
const lease = 8;

export async function cycle(point: Point, options: CycleOptions): Promise<Cycled> {
  const { place, pool, kills, seed, limitMs } = options;
  const startedAt = Date.now();
  const random = seeded(seed);
  await using trial = new ChaosTrial({ place, pool, lease, ...(limitMs !== undefined && { limitMs }) });
  trial.prepare();
  await trial.send({ mix: { step: 1 } });
  const peer = await trial.worker();
  await peer.line('ready', 0, 90_000);
  trial.prepare();
  const unreached: string[] = [];
  for (let round = 0; round < kills; round++) {
    // Each child of a pool counts for itself.
    const nth = 1 + random.below(pool === 'async' ? point.upTo : Math.min(point.upTo, 2));
    const before = deaths(trial.pointFaults, point.name);
    const died = (): boolean => deaths(trial.pointFaults, point.name) > before;
    const armed = await trial.worker(`${point.name}:${nth}:kill`);
    trial.prepare();
    await comesBy(trial, { armed, died, survives: pool === 'processes' }, point, random.below(60));
    if (!died()) unreached.push(`not reached: ${point.name} the ${nth}th time\n${armed.errors}`);
    if (unreached.length > 2) break;
  }
  if (!peer.isAlive) unreached.push(`the peer has ended:\n${peer.errors}`);
  const judged = await trial.verdict();
  const { report } = judged;
  // Where a store tolerates repeats, they are still no more than what was in flight.
  const died = deaths(judged.ledger, point.name);
  const bound = died * 8;
  const over =
    report.unexplained.length > bound ? [`${report.unexplained.length} repeats, at most ${bound}`] : [];
  return {
    ...judged,
    wrong: [...judged.wrong, ...over, ...unreached],
    point: point.name,
    place: place.name,
    pool,
    kills: died,
    seconds: (Date.now() - startedAt) / 1000,
    seed,
  };
}

interface Armed {
  readonly armed: Program;
  readonly died: () => boolean;
  /** Only a child of it dies. */
  readonly survives: boolean;
}

/** Sends until the worker (or the child of its pool) has died there, or for as long as patience lasts. */
async function comesBy(
  trial: ChaosTrial,
  { armed, died, survives }: Armed,
  point: Point,
  pauseMs: number,
): Promise<void> {
  const { mix, ms, signals } = point;
  // What is sent while it is loaded and joins would be run by the peer.
  await Promise.race([armed.line('ready', 0, 90_000).catch(() => undefined), armed.exited]);
  const late = Date.now() + comesMs;
  if (signals.length > 0) {
    await trial.send({ mix, ms });
    await sleep(pauseMs);
    // What is given back by it runs again.
    if (signals.includes('SIGQUIT')) trial.interrupts(armed);
    for (const signal of signals) {
      armed.signal(signal);
      await sleep(20);
    }
  }
  while (armed.isAlive && !died() && Date.now() < late) {
    if (signals.length === 0) await trial.send({ mix, ms });
    await Promise.race([armed.exited, sleep(400)]);
  }
  // Where a child has died its worker lives on: it has served.
  if (died() && !survives) await armed.exited;
  else if (armed.isAlive) await trial.end(armed, 'kill');
}

function deaths(ledger: readonly Entry[], point: string): number {
  return ledger.filter((entry) => entry.kind === 'fault' && 'point' in entry && entry.point === point).length;
}
