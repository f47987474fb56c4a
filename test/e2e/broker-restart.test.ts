// Brokers that go down and come back under workers that nobody touches, and a RabbitMQ node that stands still: all that harms a broker as a
// whole. Default run: each goes once (killed). Long run: 50 times each, asked and killed in turn, a node that stands still, and how soon work
// goes on is judged.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../needs.ts';
import { inLongRun, isLong, scaled, seed } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { guilty } from './harness/checkers.ts';
import { prove } from './harness/disturbed.ts';
import { onRabbit, onRedis, type Place } from './harness/places.ts';
import { seeded } from './harness/random.ts';
import { figures, Trial, trialMs } from './harness/trial.ts';

/** After the broker is back. */
const resumeMs = 5000;

interface Server {
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
}

/**
 * RabbitMQ 3.10 that is killed within a moment after a quorum queue was first declared has that queue without a leader for ever: whoever
 * asks it waits until he is refused.
 */
const keptMs = 3000;

interface Restarts {
  /** Before the first one, milliseconds. */
  readonly afterMs?: number;
  readonly signals: readonly NodeJS.Signals[];
  readonly downMs: readonly [number, number];
}

describe('a broker that goes down and comes back', { timeout: trialMs }, () => {
  needs(it, noRedis)('Redis: workers go on within seconds, and nothing is lost', async () => {
    await using server = await RedisServerProcess.start('--appendonly', 'yes', '--appendfsync', 'always');
    const signals = isLong ? inTurn(50) : (['SIGKILL'] as const);
    await restart('Redis', server, onRedis(server), { signals, downMs: [200, scaled(1000, 6000)] });
  });
});

// Default run: stores/amqp/node.test.ts kills one under its transport.
needs(describe, noRabbit ?? noRedis ?? inLongRun)('a RabbitMQ node', { timeout: trialMs }, () => {
  let node: Promise<RabbitServerProcess> | null = null;
  afterAll(async () => (await node)?.[Symbol.asyncDispose]());
  const place = async (): Promise<{ server: RabbitServerProcess; place: Place }> => {
    node ??= RabbitServerProcess.start();
    const server = await node;
    return { server, place: onRabbit(server, await RedisServerProcess.shared()) };
  };

  it('that goes down and comes back: workers go on within seconds, and nothing is lost', async () => {
    const { server, place: where } = await place();
    const signals = isLong ? inTurn(50) : (['SIGKILL'] as const);
    await restart('RabbitMQ', server, where, { afterMs: keptMs, signals, downMs: [200, 1000] });
  });

  needs(it, inLongRun)('that stands still', async () => {
    const { server, place: where } = await place();
    await prove('RabbitMQ SIGSTOP', { place: where, leasesBreak: true }, async () => {
      server.signal('SIGSTOP');
      await sleep(10_000);
      server.signal('SIGCONT');
    });
  });
});

async function restart(
  name: string,
  server: Server,
  place: Place,
  { afterMs = 0, signals, downMs: [from, to] }: Restarts,
): Promise<void> {
  const random = seeded(seed);
  await using trial = new Trial({ slots: 4, place });
  const [sender, ...workers] = await Promise.all([trial.sender(), trial.worker(), trial.worker()]);
  const resumed: number[] = [];
  await sleep(afterMs);
  for (const [round, signal] of signals.entries()) {
    // Sent before, while it is away, and after: the sender tries again by itself.
    sender.tell(JSON.stringify({ count: 30, ms: 20 }));
    await sleep(20 + random.below(150)); // some moment
    const at = Date.now();
    await server.stop(signal);
    await sleep(from + random.below(to - from));
    await server.start();
    const back = Date.now();
    // Connections broke, and with them leases may have: runs may be repeated, as after the death of a worker.
    for (const { pid } of workers)
      trial.faults.write({ kind: 'fault', fault: 'outage', pid, at, until: back });
    sender.tell(JSON.stringify({ count: 5, ms: 1 }));
    const orders = 2 * (round + 1);
    const sent = (): number => sender.lines.filter((line) => line.startsWith('sent')).length;
    await until(() => sent() >= orders, 'all is sent');
    await until(() => trial.allEnded, 'all that was sent has ended');
    const first = trial.ledger.find((entry) => entry.kind === 'end' && entry.at >= back);
    resumed.push((first?.at ?? Number.POSITIVE_INFINITY) - back);
  }
  expect(workers.every((worker) => worker.isAlive)).toBe(true);
  const verdict = await trial.verdict();
  figures(
    `${name}: ${resumed.filter((ms) => ms <= resumeMs).length} of ${signals.length} restarts resumed within ${resumeMs / 1000} s, ` +
      `the slowest in ${Math.max(...resumed)} ms; sent ${verdict.counts.acknowledged}, ended ${verdict.counts.ended}, ` +
      `lost ${verdict.report.lost.length}, finished twice ${verdict.report.finishedTwice.length}, ` +
      `duplicated ${verdict.counts.duplicated} (seed ${seed})`,
  );
  if (isLong) expect(resumed.filter((ms) => ms > resumeMs)).toEqual([]);
  const acknowledged = new Set(verdict.ledger.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : [])));
  const report = {
    ...verdict.report,
    // What the sender was told to be in doubt may have begun and gone with the node, before that had kept it.
    falseResult: verdict.report.falseResult.filter((line) => acknowledged.has(line.slice(0, 36))),
  };
  const wrong = guilty(report);
  const ids = new Set(JSON.stringify(report).match(/[0-9a-f-]{36}/g));
  const history = verdict.ledger.filter((entry) => entry.kind === 'fault' || ids.has(entry.id));
  const story = history.map((entry) => JSON.stringify(entry));
  expect(wrong, [JSON.stringify(report), ...story].join('\n')).toEqual([]);
}

/** Asked and killed. */
function inTurn(count: number): NodeJS.Signals[] {
  return Array.from({ length: count }, (_, index) => (index % 2 === 0 ? 'SIGTERM' : 'SIGKILL'));
}
