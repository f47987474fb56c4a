import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { guilty } from './harness/checkers.ts';
import { onRabbit, onRedis } from './harness/places.ts';
import type { Program } from './harness/program.ts';
import { seeded } from './harness/random.ts';
import { Trial, type TrialOptions, type Verdict } from './harness/trial.ts';

const seed = Number(process.env.KILL_LOOP_SEED ?? Date.now() % 1_000_000);
const rounds = 20;
const perRound = 100;
const slots = 4;

const redis = started(noRedis, () => RedisServerProcess.start());
const rabbit = started(noRabbit, () => RabbitServerProcess.start());

describe('kill -9 of workers while they run tasks', () => {
  it('on the embedded store loses nothing, sticks nowhere, invents nothing, and repeats only what was in flight', async () => {
    await killLoop('the embedded store', {});
  }, 120_000);

  needs(it, noRedis)(
    'on Redis the same',
    async () => {
      (await redis()).cli('FLUSHALL');
      await killLoop('Redis', { place: onRedis(await redis()), lease: 2 });
    },
    120_000,
  );

  needs(it, noRedis)(
    'on Redis with results in another database the same',
    async ({ skip }) => {
      if (process.env.FAULTS_LONG === undefined) skip('in the long run: npm run test:long');
      (await redis()).cli('FLUSHALL');
      await killLoop('Redis, two databases', { place: onRedis(await redis(), 1), lease: 2 });
    },
    120_000,
  );

  needs(it, noRabbit || noRedis)(
    'on RabbitMQ with results in Redis the same',
    async () => {
      (await redis()).cli('FLUSHALL');
      // In a classic queue what comes back stands behind all that waits.
      const place = onRabbit(await rabbit(), await redis());
      await killLoop('RabbitMQ', { place, restartMs: 60_000 });
    },
    150_000,
  );
});

/** A server for all tests of this file, started by the first that wants it. */
function started<T extends AsyncDisposable>(
  missing: string | undefined,
  start: () => Promise<T>,
): () => Promise<T> {
  let server: Promise<T> | null = null;
  afterAll(async () => (await server)?.[Symbol.asyncDispose]());
  return () => {
    if (missing !== undefined) throw new Error(missing);
    server ??= start();
    return server;
  };
}

async function killLoop(name: string, options: Omit<TrialOptions, 'slots'>): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots, ...options });
  const sender = await trial.sender();
  let workers: Program[] = await Promise.all([trial.worker(), trial.worker()]);
  const startedAt = Date.now();

  for (let round = 1; round <= rounds; round++) {
    sender.tell(JSON.stringify({ count: perRound, ms: 20 }));
    await sleep(20 + random.below(200));
    const victims = round % 5 === 0 ? workers : [workers[random.below(workers.length)]];
    workers = await Promise.all(
      workers.map(async (worker) => {
        if (!victims.includes(worker)) return worker;
        await worker.end('kill', trial.faults);
        return trial.worker();
      }),
    );
  }
  await sender.line(`sent ${rounds * perRound}`);
  const verdict = await trial.verdict();

  printTable(
    `kill loop on ${name}, seed ${seed} (KILL_LOOP_SEED=${seed} replays it)`,
    verdict,
    Date.now() - startedAt,
  );
  expect(guilty(verdict.report), JSON.stringify(verdict.report)).toEqual([]);
  expect(verdict.counts).toMatchObject({ sent: 2000, acknowledged: 2000, ended: 2000 });
  expect(verdict.counts.faults).toBeGreaterThanOrEqual(15);
  expect(verdict.counts.interrupted, 'kills that hit nobody prove nothing').toBeGreaterThan(0);
}

function printTable(title: string, { report, counts }: Verdict, tookMs: number): void {
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
  process.stdout.write(`\n${title}\n${lines.join('\n')}\n`);
}
