// A worker of each language on one queue: real processes, real kills, and every run written down.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import { guilty } from '../e2e/harness/checkers.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { noDriver } from './harness/amqp-driver.ts';
import { Mixed } from './harness/mixed.ts';
import type { CelerySettings } from './harness/python-process.ts';

/** How often each is done; `INTEROP_ROUNDS=25` for a long run. */
const rounds = Number(process.env.INTEROP_ROUNDS ?? 1);

/** What makes Python keep what it holds when it is killed, and how soon others may have that. */
const visibilityTimeout = 3;
const careful: CelerySettings = {
  task_acks_late: true,
  task_reject_on_worker_lost: true,
  worker_prefetch_multiplier: 1,
  worker_deduplicate_successful_tasks: true,
  broker_transport_options: { visibility_timeout: visibilityTimeout },
};

needs(describe, noRedis ?? noPython)('a worker of each language on one queue', () => {
  let mixed: Mixed;
  afterEach(async () => {
    await mixed?.[Symbol.asyncDispose]();
  });

  describe('with Python as it is by default', () => {
    beforeEach(async () => {
      mixed = await Mixed.start();
    });

    test(
      'a rolling restart of each side under load loses nothing and runs nothing twice but what a kill cut off',
      async () => {
        onTestFailed(() => console.log(mixed.logs));
        await rollingRestart(mixed);
      },
      60_000 + rounds * 15_000,
    );
  });

  describe('with Python that acknowledges late', () => {
    beforeEach(async () => {
      mixed = await Mixed.start(careful);
    });

    test(
      'kills on both sides: neither takes back, repeats without reason or loses what the other holds',
      async () => {
        onTestFailed(() => console.log(mixed.logs));
        let [typescript, python] = await Promise.all([mixed.typescriptWorker(), mixed.pythonWorker()]);
        const faults = async (): Promise<void> => {
          for (let round = 0; round < rounds; round++) {
            await sleep(1000);
            await mixed.end(python, 'kill');
            // Celery gives back what a dead worker held when another one starts, and not before its time is over.
            await sleep(visibilityTimeout * 1000 + 500);
            python = await mixed.pythonWorker();
            await mixed.end(typescript, 'kill');
            await sleep(500);
            typescript = await mixed.typescriptWorker();
          }
        };
        await mixed.load(faults(), 20, 0.4);
        const { report, vanished, counts, shares } = await mixed.verdict(30_000);
        console.log(`kills on both sides: ${JSON.stringify({ ...counts, ...shares, vanished })}`);
        const lost = report.lost.filter((id) => !vanished.includes(id));
        expect(guilty({ ...report, lost }), JSON.stringify(report)).toEqual([]);
        // Python's own window: one message of each kill at most, and Python had it last.
        expect(vanished.length).toBeLessThanOrEqual(rounds);
        expect(counts.interrupted).toBeGreaterThan(0);
        // What was in the hands of the killed, and nothing else (`unexplained` and `overBound` are empty).
        expect(counts.duplicated).toBeLessThanOrEqual(2 * 8 * rounds);
        expect(shares.python).toBeGreaterThan(5);
        expect(shares.typescript).toBeGreaterThan(5);
      },
      90_000 + rounds * 20_000,
    );
  });
});

needs(describe, noRedis ?? noRabbit ?? noDriver ?? noPython)(
  'a worker of each language on one queue of RabbitMQ',
  () => {
    test(
      'a rolling restart of each side under load loses nothing and runs nothing twice but what a kill cut off',
      async () => {
        await using mixed = await Mixed.onRabbit();
        onTestFailed(() => console.log(mixed.logs));
        await rollingRestart(mixed);
      },
      90_000 + rounds * 15_000,
    );
  },
);

/** Restarts both sides in turn, by TERM, and TypeScript also by kill -9, while both are sent to. */
async function rollingRestart(mixed: Mixed): Promise<void> {
  let [typescript, python] = await Promise.all([mixed.typescriptWorker(), mixed.pythonWorker()]);
  const faults = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      await sleep(1000);
      const next = await mixed.typescriptWorker();
      await mixed.end(typescript, 'term');
      typescript = next;
      await sleep(500);
      const nextPython = await mixed.pythonWorker();
      await mixed.end(python, 'term');
      python = nextPython;
      await sleep(500);
      await mixed.end(typescript, 'kill');
      typescript = await mixed.typescriptWorker();
      await sleep(500);
    }
  };
  await mixed.load(faults(), 5, 0.1);
  const { report, counts, shares } = await mixed.verdict(20_000);
  console.log(`rolling restart: ${JSON.stringify({ ...counts, ...shares })}`);
  expect(guilty(report), JSON.stringify(report)).toEqual([]);
  expect(counts.duplicated).toBeLessThanOrEqual(8 * rounds);
  expect(shares.python).toBeGreaterThan(10);
  expect(shares.typescript).toBeGreaterThan(10);
}
