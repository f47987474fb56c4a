// Work that goes on while something is done to the broker or to the way there; then canaries: tasks by which it is seen that all work again.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { isLong, scaled, seed } from '../../run/scale.ts';
import type { Direction, FaultProxy } from '../../servers/fault-proxy.ts';
import { patienceMs, until } from '../../until.ts';
import { guilty } from './checkers.ts';
import type { Entry } from './ledger.ts';
import type { Place } from './places.ts';
import type { Program } from './program.ts';
import { type Random, seeded } from './random.ts';
import { figures, Trial, type TrialOptions, type Verdict } from './trial.ts';

export interface Scene {
  readonly trial: Trial;
  readonly workers: readonly Program[];
}

export interface Disturbed extends Verdict {
  /** From the end of the fault until all canaries had ended, milliseconds. */
  readonly canaryMs: number;
  /** What senders were told during the fault. */
  readonly failures: readonly string[];
}

export interface DisturbedOptions extends Omit<TrialOptions, 'slots'> {
  /** A connection that is lost is a lease that is lost: what was running may run again. */
  readonly leasesBreak?: boolean;
  /** Findings that the store cannot rule out after this fault. */
  readonly tolerated?: readonly string[];
  /** A connection may be dead without anybody's knowing for so long after the end of the fault, milliseconds. */
  readonly unnoticedMs?: number;
}

const slots = 4;
const canaries = 5;
/** Each of some sends, one after the other, may take as long as a send may. */
const sendsMs = 4 * patienceMs;
/** The default run looks at what is worse: the other one has done it, and nobody knows. */
export const directions: readonly Direction[] = isLong ? ['request', 'reply'] : ['reply'];
/** A canary has ended within this time after a fault: a promise that the long run judges. */
const resumeMs = 5000;
/** What began so soon after a connection was cut may still be of before the cut. */
const aftermathMs = scaled(10_000, 1000);

/** The same place by way of this proxy. */
export function through(place: Place, port: number, { port: to }: FaultProxy): Place {
  return {
    ...place,
    broker: place.broker.replace(`:${port}/`, `:${to}/`),
    backend: place.backend.replace(`:${port}/`, `:${to}/`),
  };
}

/** Does this to work that goes on, and expects what is promised. */
export async function prove(
  title: string,
  options: DisturbedOptions,
  fault: (scene: Scene) => Promise<void>,
): Promise<Disturbed> {
  const { unnoticedMs = 0, tolerated = [], ...rest } = options;
  const found = await disturbed(rest, fault);
  const { report, counts, canaryMs, failures } = found;
  const told = new Map<string, number>();
  for (const failure of failures) {
    const name = failure.split(':')[0] ?? '';
    told.set(name, (told.get(name) ?? 0) + 1);
  }
  figures(
    `${title}: sent ${counts.acknowledged}, ended ${counts.ended}, lost ${report.lost.length}, stuck ${report.stuck.length}, ` +
      `finished twice ${report.finishedTwice.length}, repeats ${counts.duplicated}, canaries after ${canaryMs} ms, ` +
      `refused ${JSON.stringify(Object.fromEntries(told))}`,
  );
  const wrong = guilty(report).filter((name) => !tolerated.includes(name));
  expect(wrong, `${JSON.stringify(report)}\n${about(found)}`).toEqual([]);
  for (const failure of failures) expect(failure).toMatch(/^(BrokerUnavailable|SendUnconfirmed)/);
  if (isLong) expect(canaryMs, 'until all worked again').toBeLessThan(resumeMs + unnoticedMs);
  return found;
}

/**
 * A worker stands still for as long as its tasks need to end elsewhere (long run: and then some, 45 s); it goes on afterwards, writes
 * nothing over what was written, and works again.
 */
export async function standStill(title: string, options: Omit<TrialOptions, 'slots'>): Promise<void> {
  await using trial = new Trial({ slots, ...options });
  const sender = await trial.sender();
  const frozen = await trial.worker();
  // So long that they do not end before it stands.
  sender.tell(JSON.stringify({ count: 4, ms: 2000 }));
  await until(() => trial.count('start') === 4, 'four tasks run');
  const at = Date.now();
  frozen.signal('SIGSTOP');
  const other = await trial.worker();
  await until(() => trial.ended === 4, 'its tasks have ended elsewhere');
  const restartMs = Date.now() - at;
  if (isLong) await sleep(Math.max(0, at + 45_000 - Date.now()));
  frozen.signal('SIGCONT');
  trial.faults.write({ kind: 'fault', fault: 'stop', pid: frozen.pid, at, until: Date.now() });
  await until(() => trial.count('end') === 8, 'what stood still has ended, too');
  expect(await other.end('term', trial.faults)).toEqual({ code: 0, signal: null });
  sender.tell(JSON.stringify({ count: 20, ms: 20 }));
  await sender.line('sent 24');
  const { report, counts, ledger } = await trial.verdict();
  figures(
    `${title}: ended elsewhere after ${restartMs} ms; late results ${counts.duplicated}, kept of them ${report.unfenced.length}, ` +
      `lost ${report.lost.length}, finished twice ${report.finishedTwice.length}`,
  );
  expect(guilty(report), `${JSON.stringify(report)}\n${about({ report, ledger })}`).toEqual([]);
  expect(counts, 'it works again').toMatchObject({ acknowledged: 24, ended: 24, duplicated: 4 });
}

/** So often connections are cut. */
const cuts = scaled(3, 30);

/** A network of 50 ms in each direction, cut 3 times (long run: 30 times) at random moments. */
export async function cutAgainAndAgain(proxy: FaultProxy): Promise<void> {
  const random = seeded(seed);
  proxy.weather = { latencyMs: 50 };
  for (let round = 0; round < cuts; round++) {
    await sleep(300 + random.below(500)); // work goes on meanwhile
    proxy.cut(random.below(2) === 0 ? 'end' : 'reset');
  }
  proxy.heal();
}

/**
 * Kills of workers and whatever `cut` does to connections, while plain tasks, tasks with a retry and tasks with an eta are sent: 2 rounds of
 * a cut and a kill (long run: 30, half of them with a second cut). Two rounds are four deaths at most for a message where each lost
 * connection counts as one: none may be buried for them.
 */
export async function storm(
  title: string,
  { tolerated = [], ...options }: DisturbedOptions,
  cut: (random: Random) => void,
): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots, ...options });
  const senders = await Promise.all([trial.sender(), trial.sender(), trial.sender()]);
  const workers = await Promise.all([trial.worker(), trial.worker(), trial.worker()]);
  const rounds = scaled(2, 30);
  const cutAll = (): void => {
    const at = Date.now();
    cut(random);
    if (options.leasesBreak === true)
      for (const { pid } of workers)
        trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: Date.now() + aftermathMs });
  };
  for (let round = 0; round < rounds; round++) {
    const orders = [
      { count: 30, ms: 20 },
      { count: 15, ms: 10, kind: 'again' },
      { count: 15, ms: 10, countdown: 300 + random.below(500) },
    ];
    for (const [index, order] of orders.entries()) senders[index]?.tell(JSON.stringify(order));
    await sleep(50 + random.below(300)); // the faults come at random moments
    cutAll();
    await sleep(random.below(300));
    const victim = random.below(workers.length);
    await workers[victim]?.end('kill', trial.faults);
    workers[victim] = await trial.worker();
    if (isLong && random.below(2) === 0) cutAll();
  }
  await until(() => senders.every(({ lines }) => lines.filter(isSent).length === rounds), 'all is sent');
  const { report, counts, ledger } = await trial.verdict();
  figures(
    `${title}: sent ${counts.acknowledged}, ended ${counts.ended}, faults ${counts.faults}, cut off ${counts.interrupted}, ` +
      `lost ${report.lost.length}, stuck ${report.stuck.length}, finished twice ${report.finishedTwice.length}, ` +
      `early ${report.early.length}, repeats beyond those of the killed ${report.unexplained.length}`,
  );
  const wrong = guilty(report).filter((name) => !tolerated.includes(name));
  expect(wrong, `${JSON.stringify(report)}\n${about({ report, ledger })}`).toEqual([]);
}

function isSent(line: string): boolean {
  return line.startsWith('sent');
}

/** Two workers of four slots, a sender that sends without end, the fault among them. */
async function disturbed(
  { leasesBreak = false, ...options }: DisturbedOptions,
  fault: (scene: Scene) => Promise<void>,
): Promise<Disturbed> {
  await using trial = new Trial({ slots, ...options });
  const [sender, canary] = await Promise.all([trial.sender(), trial.sender()]);
  const workers = await Promise.all([trial.worker(), trial.worker()]);
  const load = keepBusy(sender);
  await until(() => trial.ended >= 10, 'tasks are sent and run');
  const at = Date.now();
  await fault({ trial, workers });
  const over = Date.now();
  if (leasesBreak)
    for (const { pid } of workers)
      trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: over + aftermathMs });
  while (canariesOf('end', trial.ledger).size < canaries) await release(canary, trial);
  const canaryMs = Date.now() - over;
  await load.stop();
  const dead = workers.filter((worker) => !worker.isAlive).map((worker) => worker.errors);
  if (dead.length > 0) throw new Error(`a worker has ended:\n${dead.join('\n')}`);
  const verdict = await trial.verdict();
  const failures = verdict.ledger.flatMap((entry) => (entry.kind === 'fail' ? [entry.error] : []));
  return { ...verdict, canaryMs, failures };
}

interface Load {
  /** Resolves when the last send has returned. */
  stop(): Promise<void>;
}

/** Some fifty tasks in a second, one after the other. */
function keepBusy(sender: Program): Load {
  let goesOn = true;
  const run = async (): Promise<void> => {
    while (goesOn) {
      const from = sender.lines.length;
      sender.tell(JSON.stringify({ count: 10, ms: 20, everyMs: 15 }));
      await sender.line('sent', from, sendsMs);
    }
  };
  const running = run();
  running.catch(() => undefined); // heard of by who stops it
  return {
    stop: async () => {
      goesOn = false;
      await running;
    },
  };
}

/** Some canaries; resolves when those have ended whose send returned. */
async function release(sender: Program, trial: Trial): Promise<void> {
  const from = sender.lines.length;
  sender.tell(JSON.stringify({ count: canaries, ms: 1, name: 'canary-' }));
  await sender.line('sent', from, sendsMs);
  const told = canariesOf('ok', trial.ledger);
  await until(() => {
    const ended = canariesOf('end', trial.ledger);
    return [...told].every((id) => ended.has(id));
  }, 'all work again');
}

/** The canaries that have come to this. */
function canariesOf(kind: 'ok' | 'end', ledger: readonly Entry[]): Set<string> {
  const ids = ledger.flatMap((entry) => (entry.kind === kind ? [entry.id] : []));
  return new Set(ids.filter((id) => id.startsWith('canary-')));
}

/** All that the ledger knows of the first tasks that something is wrong with. */
function about({ report, ledger }: Pick<Verdict, 'report' | 'ledger'>): string {
  const wrong = Object.values(report).flat().slice(0, 5);
  const lines = ledger.filter(
    (entry) => entry.kind === 'fault' || wrong.some((each) => each.includes(entry.id)),
  );
  return lines.map((entry) => JSON.stringify(entry)).join('\n');
}
