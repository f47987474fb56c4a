// Workers are killed (-9) while they run tasks, on each store: 2 rounds of 40 tasks, in the first one worker is killed, in the second both. That
// is one death for a task in each round: none may be buried for them. Long run: 20 rounds of 100, both in every fifth, and on Redis with
// results in another database, too.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { inLongRun, scaled, seed } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { guilty } from './harness/checkers.ts';
import { onRabbit, onRedis } from './harness/places.ts';
import type { Program } from './harness/program.ts';
import { seeded } from './harness/random.ts';
import { figures, Trial, type TrialOptions, trialMs, type Verdict } from './harness/trial.ts';

const rounds = scaled(2, 20);
const perRound = scaled(40, 100);
const everyRoundKillsBoth = scaled(2, 5);
const slots = 4;
/** Seconds. Long enough to be kept on a busy machine. */
const lease = 5;

describe('kill -9 of workers while they run tasks', { timeout: trialMs }, () => {
  it('on the embedded store loses nothing, sticks nowhere, invents nothing, and repeats only what was in flight', async () => {
    await killLoop('the embedded store', {});
  });

  needs(it, noRedis)('on Redis the same', async () => {
    await using redis = await RedisServerProcess.shared();
    await killLoop('Redis', { place: onRedis(redis), lease });
  });

  needs(it, noRedis ?? inLongRun)('on Redis with results in another database the same', async () => {
    await using redis = await RedisServerProcess.shared();
    await killLoop('Redis, two databases', { place: onRedis(redis, 1), lease });
  });

  needs(it, noRabbit ?? noRedis)('on RabbitMQ with results in Redis the same', async () => {
    await using redis = await RedisServerProcess.shared();
    await using rabbit = await RabbitServerProcess.shared();
    // In a classic queue what comes back stands behind all that waits.
    await killLoop('RabbitMQ', { place: onRabbit(rabbit, redis), restartMs: 60_000 });
  });
});

async function killLoop(name: string, options: Omit<TrialOptions, 'slots'>): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots, ...options });
  const sender = await trial.sender();
  let workers: Program[] = await Promise.all([trial.worker(), trial.worker()]);
  const startedAt = Date.now();
  let all = 0;
  const send = (): void => {
    sender.tell(JSON.stringify({ count: perRound, ms: 20 }));
    all += perRound;
  };

  for (let round = 1; round <= rounds; round++) {
    send();
    const victims =
      round % everyRoundKillsBoth === 0 ? workers : workers.slice(random.below(workers.length)).slice(0, 1);
    for (let areHit = false; !areHit; ) {
      await until(() => {
        if (victims.every(({ pid }) => isRunningAny(trial, pid))) return true;
        if (trial.ended === all) send(); // all was done between two looks, or by the other worker
        return false;
      }, 'those who will die run something');
      await sleep(random.below(100)); // some moment, unless all was done before it
      // Who stands still ends nothing between this look and its death.
      for (const victim of victims) victim.signal('SIGSTOP');
      areHit = victims.every(({ pid }) => isRunningAny(trial, pid));
      if (!areHit) for (const victim of victims) victim.signal('SIGCONT');
    }
    workers = await Promise.all(
      workers.map(async (worker) => {
        if (!victims.includes(worker)) return worker;
        await worker.end('kill', trial.faults);
        return trial.worker();
      }),
    );
  }
  await sender.line(`sent ${all}`);
  const verdict = await trial.verdict();

  figures(tableOf(`kill loop on ${name}, seed ${seed}`, verdict, Date.now() - startedAt));
  expect(guilty(verdict.report), JSON.stringify(verdict.report)).toEqual([]);
  expect(verdict.counts).toMatchObject({ sent: all, acknowledged: all, ended: all });
  expect(verdict.counts.faults).toBe(rounds + Math.floor(rounds / everyRoundKillsBoth));
  expect(verdict.counts.interrupted, 'kills that hit nobody prove nothing').toBeGreaterThan(0);
}

function isRunningAny({ ledger }: Trial, pid: number): boolean {
  const open = new Set<string>();
  for (const entry of ledger) {
    if (entry.kind === 'start' && entry.pid === pid) open.add(entry.run);
    else if (entry.kind === 'end') open.delete(entry.run);
  }
  return open.size > 0;
}

function tableOf(title: string, { report, counts }: Verdict, tookMs: number): string {
  const rows: readonly [string, number | string][] = [
    ['tasks sent and acknowledged', counts.acknowledged],
    ['kill -9', counts.faults],
    ['runs cut off by them', counts.interrupted],
    ['slowest restart', `${counts.slowestRestartMs} ms`],
    ['lost', report.lost.length],
    ['stuck', report.stuck.length],
    ['unexpected', report.unexpected.length],
    ['finished twice', report.finishedTwice.length],
    ['duplicated (allowed: in flight at a kill)', counts.duplicated],
    ['repeats beyond that', report.unexplained.length + report.overBound.length],
    ['wrong or missing results', report.falseResult.length],
    ['seconds', (tookMs / 1000).toFixed(1)],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(44)}${String(value).padStart(8)}`);
  return [title, ...lines].join('\n');
}
