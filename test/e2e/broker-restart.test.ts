// Brokers that go down and come back under workers that nobody touches.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { guilty } from './harness/checkers.ts';
import { onRabbit, onRedis, type Place } from './harness/places.ts';
import { seeded } from './harness/random.ts';
import { Trial } from './harness/trial.ts';

const seed = Number(process.env.RESTARTS_SEED ?? Date.now() % 1_000_000);
/** 50 is the long run: `npm run test:long`. */
const restarts = Number(process.env.RESTARTS ?? 4);
/** After the broker is back. */
const resumeMs = 5000;

interface Server {
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
}

describe('a broker that goes down and comes back', () => {
  needs(it, noRedis)(
    'Redis: workers go on within seconds, and nothing is lost',
    async () => {
      await using server = await RedisServerProcess.start('--appendonly', 'yes', '--appendfsync', 'always');
      await restart('Redis', server, onRedis(server), [200, restarts > 10 ? 6000 : 2000]);
    },
    60_000 + restarts * 20_000,
  );

  needs(it, noRabbit || noRedis)(
    'RabbitMQ: workers go on within seconds, and nothing is lost',
    async () => {
      await using results = await RedisServerProcess.start();
      await using server = await RabbitServerProcess.start();
      await restart('RabbitMQ', server, onRabbit(server, results), [200, 1000]);
    },
    90_000 + restarts * 40_000,
  );
});

async function restart(
  name: string,
  server: Server,
  place: Place,
  down: readonly [number, number],
): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots: 4, place });
  const sender = await trial.sender();
  const workers = await Promise.all([trial.worker(), trial.worker()]);
  const resumed: number[] = [];
  for (let round = 0; round < restarts; round++) {
    const signal = round % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
    // Sent before, while it is away, and after: the sender tries again by itself.
    sender.tell(JSON.stringify({ count: 30, ms: 20 }));
    await sleep(20 + random.below(150));
    const at = Date.now();
    await server.stop(signal);
    await sleep(down[0] + random.below(down[1] - down[0]));
    await server.start();
    const back = Date.now();
    // Connections broke, and with them leases may have: runs may be repeated, as after the death of a worker.
    for (const { pid } of workers)
      trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: back });
    sender.tell(JSON.stringify({ count: 5, ms: 1 }));
    const orders = 2 * (round + 1);
    await trial.until(() => sender.lines.filter((line) => line.startsWith('sent')).length >= orders, 60_000);
    const canaries = trial.ledger.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : [])).slice(-5);
    const isDone = (): boolean => {
      const ended = new Set(trial.ledger.flatMap((entry) => (entry.kind === 'end' ? [entry.id] : [])));
      return canaries.every((id) => ended.has(id));
    };
    await trial.until(isDone, 30_000);
    const first = trial.ledger.find((entry) => entry.kind === 'end' && entry.at >= back);
    resumed.push((first?.at ?? Number.POSITIVE_INFINITY) - back);
  }
  expect(workers.every((worker) => worker.isAlive)).toBe(true);
  const verdict = await trial.verdict();
  process.stdout.write(
    `\n${name}: ${resumed.filter((ms) => ms <= resumeMs).length} of ${restarts} restarts resumed within ${resumeMs / 1000} s, ` +
      `the slowest in ${Math.max(...resumed)} ms; sent ${verdict.counts.acknowledged}, ended ${verdict.counts.ended}, ` +
      `lost ${verdict.report.lost.length}, finished twice ${verdict.report.finishedTwice.length}, ` +
      `duplicated ${verdict.counts.duplicated} (seed ${seed})\n`,
  );
  expect(resumed.filter((ms) => ms > resumeMs)).toEqual([]);
  const acknowledged = new Set(verdict.ledger.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : [])));
  const report = {
    ...verdict.report,
    // What the sender was told to be in doubt may have begun and gone with the node, before that had kept it.
    falseResult: verdict.report.falseResult.filter((line) => acknowledged.has(line.slice(0, 36))),
  };
  const wrong = guilty(report);
  const ids = new Set(JSON.stringify(report).match(/[0-9a-f-]{36}/g));
  const history = verdict.ledger.filter((entry) => entry.kind === 'fault' || ids.has(entry.id));
  const story = history.sort((a, b) => a.at - b.at).map((entry) => JSON.stringify(entry));
  expect(wrong, [JSON.stringify(report), ...story].join('\n')).toEqual([]);
}
