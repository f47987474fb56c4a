// A worker of each language on one queue: real processes, real kills, and every run written down. Each case has a fleet of its own,
// and mostly waits: they run at the same time.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { guilty } from '../e2e/harness/checkers.ts';
import { needs } from '../needs.ts';
import { noPython } from '../protocol/python.ts';
import { inLongRun, scaled } from '../run/scale.ts';
import { noRabbit } from '../servers/rabbitmq.ts';
import { noRedis } from '../servers/redis.ts';
import { patienceMs } from '../until.ts';
import { Mixed, type MixedVerdict } from './harness/mixed.ts';
import type { CelerySettings } from './harness/python-process.ts';

/** How often each is done. */
const rounds = scaled(1, 25);
/** All that may have to be waited for. */
const timeout = (2 + 3 * rounds) * patienceMs;

/** What makes Python keep what it holds when it is killed, and how soon others may have that. */
const visibilityTimeout = 3;
const careful: CelerySettings = {
  task_acks_late: true,
  task_reject_on_worker_lost: true,
  worker_prefetch_multiplier: 1,
  worker_deduplicate_successful_tasks: true,
  broker_transport_options: { visibility_timeout: visibilityTimeout },
};

describe.concurrent('a worker of each language on one queue', () => {
  needs(test, noRedis ?? noPython ?? inLongRun)(
    'a rolling restart of each side under load loses nothing and runs nothing twice but what a kill cut off, on Redis with Python as it is by default',
    { timeout },
    async ({ onTestFailed }) => {
      await using mixed = await Mixed.start();
      onTestFailed(() => console.log(mixed.logs));
      const { repeatedByPython } = await rollingRestart(mixed);
      expect(repeatedByPython).toEqual([]); // result and acknowledgement are one step
    },
  );

  needs(test, noRedis ?? noRabbit ?? noPython ?? inLongRun)(
    'a rolling restart of each side under load loses nothing and runs nothing twice but what a kill cut off, on RabbitMQ',
    { timeout },
    async ({ onTestFailed }) => {
      await using mixed = await Mixed.onRabbit();
      onTestFailed(() => console.log(mixed.logs));
      await rollingRestart(mixed);
    },
  );

  needs(test, noRedis ?? noPython)(
    'kills on both sides, with Python that acknowledges late: neither takes back, repeats without reason or loses what the other holds',
    { timeout },
    async ({ onTestFailed }) => {
      await using mixed = await Mixed.start(careful);
      onTestFailed(() => console.log(mixed.logs));
      let [typescript, python] = await Promise.all([mixed.typescriptWorker(), mixed.pythonWorker()]);
      const faults = async (): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          await Promise.all([mixed.hasBegun(typescript), mixed.hasBegun(python)]);
          await mixed.isWithinTask(python);
          await mixed.end(python, 'kill');
          // Celery gives back what a dead worker held when another one starts, and not before its time is over.
          await sleep(visibilityTimeout * 1000 + 500);
          python = await mixed.pythonWorker();
          await mixed.isWithinTask(typescript);
          await mixed.end(typescript, 'kill');
          typescript = await mixed.typescriptWorker();
        }
      };
      await mixed.load(faults(), 0.4);
      const { report, isAtRest, repeatedByPython, vanished, counts, shares } = await mixed.verdict(30_000);
      console.log(`kills on both sides: ${JSON.stringify({ ...counts, ...shares, vanished })}`);
      const lost = report.lost.filter((id) => !vanished.includes(id));
      expect(guilty({ ...report, lost }), JSON.stringify(report)).toEqual([]);
      expect(isAtRest).toBe(true);
      expect(repeatedByPython).toEqual([]); // result and acknowledgement are one step
      // Python's own window: one message of each kill at most, and Python had it last.
      expect(vanished.length).toBeLessThanOrEqual(rounds);
      expect(counts.interrupted).toBeGreaterThanOrEqual(2 * rounds);
      // What was in the hands of the killed, and nothing else (`unexplained` and `overBound` are empty).
      expect(counts.duplicated).toBeLessThanOrEqual(2 * 8 * rounds);
      expect(shares.python).toBeGreaterThan(5);
      expect(shares.typescript).toBeGreaterThan(5);
    },
  );
});

/** Restarts both sides in turn, by TERM, and TypeScript also by kill -9, while both are sent to. */
async function rollingRestart(mixed: Mixed): Promise<MixedVerdict> {
  let [typescript, python] = await Promise.all([mixed.typescriptWorker(), mixed.pythonWorker()]);
  const faults = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      await Promise.all([mixed.hasBegun(typescript), mixed.hasBegun(python)]);
      const next = await mixed.typescriptWorker();
      await mixed.end(typescript, 'term');
      typescript = next;
      await mixed.hasBegun(typescript);
      const nextPython = await mixed.pythonWorker();
      await mixed.end(python, 'term');
      python = nextPython;
      await mixed.hasBegun(python);
      await mixed.isWithinTask(typescript);
      await mixed.end(typescript, 'kill');
      typescript = await mixed.typescriptWorker();
      await mixed.hasBegun(typescript);
    }
  };
  await mixed.load(faults(), 0.1);
  const verdict = await mixed.verdict(20_000);
  const { report, isAtRest, repeatedByPython, counts, shares } = verdict;
  console.log(`rolling restart: ${JSON.stringify({ ...counts, ...shares, repeatedByPython })}`);
  expect(guilty(report), JSON.stringify(report)).toEqual([]);
  expect(isAtRest).toBe(true);
  expect(counts.interrupted).toBeGreaterThanOrEqual(rounds);
  expect(counts.duplicated).toBeLessThanOrEqual(8 * rounds);
  expect(shares.python).toBeGreaterThan(10);
  expect(shares.typescript).toBeGreaterThan(10);
  return verdict;
}
