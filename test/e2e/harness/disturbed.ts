// Work that goes on while something is done to the broker or to the way there; then canaries: tasks by which it is seen that all work again.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Direction, FaultProxy } from '../../servers/fault-proxy.ts';
import { guilty } from './checkers.ts';
import type { Entry } from './ledger.ts';
import type { Place } from './places.ts';
import type { Program } from './program.ts';
import { type Random, seeded } from './random.ts';
import { Trial, type TrialOptions, type Verdict } from './trial.ts';

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

const canaries = 5;

export const seed: number = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);
/** The long run: `npm run test:long`. */
export const isLong: boolean = process.env.FAULTS_LONG !== undefined;
/** Half a minute for each: the other one in the long run only. */
export const directions: readonly Direction[] = isLong ? ['request', 'reply'] : ['reply'];
/** A canary has ended within this time after a fault. */
const resumeMs = 5000;

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
  process.stdout.write(
    `\n${title}: sent ${counts.acknowledged}, ended ${counts.ended}, lost ${report.lost.length}, stuck ${report.stuck.length}, ` +
      `finished twice ${report.finishedTwice.length}, repeats ${counts.duplicated}, canaries after ${canaryMs} ms, ` +
      `refused ${JSON.stringify(Object.fromEntries(told))}\n`,
  );
  const wrong = guilty(report).filter((name) => !tolerated.includes(name));
  expect(wrong, `${JSON.stringify(report)}\n${about(found)}`).toEqual([]);
  for (const failure of failures) expect(failure).toMatch(/^(BrokerUnavailable|SendUnconfirmed)/);
  expect(canaryMs, 'until all worked again').toBeLessThan(resumeMs + unnoticedMs);
  return found;
}

/** As long as its tasks have ended elsewhere, and then some; it goes on afterwards and works again. */
export async function standStill(title: string, options: Omit<TrialOptions, 'slots'>): Promise<void> {
  await using trial = new Trial({ slots: 4, ...options });
  const sender = await trial.sender();
  const frozen = await trial.worker();
  sender.tell(JSON.stringify({ count: 4, ms: 300 }));
  await trial.until(() => trial.ledger.filter(({ kind }) => kind === 'start').length === 4);
  const at = Date.now();
  frozen.signal('SIGSTOP');
  await trial.worker();
  await trial.until(() => trial.ended === 4);
  const restartMs = Date.now() - at;
  await sleep(Math.max(0, at + (isLong ? 45_000 : 6000) - Date.now()));
  frozen.signal('SIGCONT');
  trial.faults.write({ kind: 'fault', fault: 'stop', pid: frozen.pid, at, until: Date.now() });
  await trial.until(() => trial.ledger.filter(({ kind }) => kind === 'end').length === 8);
  sender.tell(JSON.stringify({ count: 100, ms: 20 }));
  await sender.line('sent 104');
  const { report, counts, ledger } = await trial.verdict();
  process.stdout.write(
    `\n${title}: ended elsewhere after ${restartMs} ms; late results ${counts.duplicated}, kept of them ${report.unfenced.length}, ` +
      `lost ${report.lost.length}, finished twice ${report.finishedTwice.length}\n`,
  );
  expect(guilty(report), `${JSON.stringify(report)}\n${about({ report, ledger })}`).toEqual([]);
  expect(counts).toMatchObject({ acknowledged: 104, ended: 104, duplicated: 4 });
  const later = ledger.filter((entry) => entry.kind === 'start' && entry.pid === frozen.pid);
  expect(later.length, 'it works again').toBeGreaterThan(4);
}

export async function cutAgainAndAgain(proxy: FaultProxy): Promise<void> {
  const random = seeded(seed);
  proxy.weather = { latencyMs: 50 };
  for (let round = 0; round < (isLong ? 30 : 8); round++) {
    await sleep(300 + random.below(500));
    proxy.cut(random.below(2) === 0 ? 'end' : 'reset');
  }
  proxy.heal();
}

/** Two workers of four slots, a sender that sends without end, the fault among them. */
/** Kills of workers and whatever `more` does to connections, while plain tasks, tasks with a retry and tasks with an eta are sent. */
export async function storm(
  title: string,
  { tolerated = [], ...options }: DisturbedOptions,
  more: (random: Random) => void,
): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots: 4, ...options });
  const senders = await Promise.all([trial.sender(), trial.sender(), trial.sender()]);
  const workers = await Promise.all([trial.worker(), trial.worker(), trial.worker()]);
  const rounds = isLong ? 30 : 5;
  const cut = (): void => {
    const at = Date.now();
    more(random);
    if (options.leasesBreak === true)
      for (const { pid } of workers)
        trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: Date.now() + 1000 });
  };
  for (let round = 0; round < rounds; round++) {
    senders[0].tell(JSON.stringify({ count: 30, ms: 20 }));
    senders[1].tell(JSON.stringify({ count: 15, ms: 10, kind: 'again' }));
    senders[2].tell(JSON.stringify({ count: 15, ms: 10, countdown: 300 + random.below(500) }));
    await sleep(50 + random.below(300));
    cut();
    await sleep(random.below(300));
    const victim = random.below(workers.length);
    await workers[victim]?.end('kill', trial.faults);
    workers[victim] = await trial.worker();
    if (random.below(2) === 0) cut();
  }
  await trial.until(() => senders.every(({ lines }) => lines.filter(isSent).length === rounds), 60_000);
  const { report, counts, ledger } = await trial.verdict();
  process.stdout.write(
    `\n${title}: sent ${counts.acknowledged}, ended ${counts.ended}, faults ${counts.faults}, cut off ${counts.interrupted}, ` +
      `lost ${report.lost.length}, stuck ${report.stuck.length}, finished twice ${report.finishedTwice.length}, ` +
      `early ${report.early.length}, repeats beyond those of the killed ${report.unexplained.length}\n`,
  );
  const wrong = guilty(report).filter((name) => !tolerated.includes(name));
  expect(wrong, `${JSON.stringify(report)}\n${about({ report, ledger })}`).toEqual([]);
}

function isSent(line: string): boolean {
  return line.startsWith('sent');
}

async function disturbed(
  { leasesBreak = false, ...options }: DisturbedOptions,
  fault: (scene: Scene) => Promise<void>,
): Promise<Disturbed> {
  await using trial = new Trial({ slots: 4, ...options });
  const [sender, canary] = [await trial.sender(), await trial.sender()];
  const workers = await Promise.all([trial.worker(), trial.worker()]);
  const load = keepBusy(sender);
  await trial.until(() => trial.ended >= 10);
  const at = Date.now();
  await fault({ trial, workers });
  const over = Date.now();
  if (leasesBreak)
    for (const { pid } of workers)
      trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: over + 1000 });
  canary.tell(JSON.stringify({ count: canaries, ms: 1, name: 'canary-' }));
  await trial.until(() => canariesEnded(trial.ledger) >= canaries, 30_000);
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
      // Each of them may take as long as a send may.
      await sender.line('sent', from, 120_000);
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

function canariesEnded(ledger: readonly Entry[]): number {
  const ids = ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : []));
  return new Set(ids.filter((id) => id.startsWith('canary-'))).size;
}

/** All that the ledger knows of the first tasks that something is wrong with. */
function about({ report, ledger }: Pick<Verdict, 'report' | 'ledger'>): string {
  const wrong = Object.values(report).flat().slice(0, 5);
  const lines = ledger.filter(
    (entry) => entry.kind === 'fault' || wrong.some((each) => each.includes(entry.id)),
  );
  return lines.map((entry) => JSON.stringify(entry)).join('\n');
}
