import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Case, corpus } from '../corpus/corpus.ts';
import { needs } from '../needs.ts';
import { inLongRun, isLong } from '../run/scale.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';
import { noRedis, RedisServerProcess } from '../servers/redis.ts';
import { until } from '../until.ts';
import { type Bin, binOfFile, binOfRabbit, binOfRedis, type Thrown } from './harness/bins.ts';
import { onRabbit, onRedis } from './harness/places.ts';
import { Program } from './harness/program.ts';
import { type Buried, lookInto } from './harness/store.ts';
import { figures, Trial, trialMs } from './harness/trial.ts';

/** Bad messages between one group of good neighbours and the next. */
const batch = 12;
const neighbours = 4;
const neighbourMs = 20_000;
/** Among the messages are some of 10 MB and a million values, which may be read: a worker needs room for them once. */
const firstGrowthMb = 250;
const laterGrowthMb = 64;

describe('malformed messages in the queue of a running worker', { timeout: trialMs }, () => {
  it('never stop the worker or its good neighbours; each is in the dead-letter store, byte for byte, with its reason', async () => {
    await using trial = new Trial({ slots: 4 });
    using file = await lookInto(trial.store);
    await thrown('the embedded store', trial, binOfFile(file));
  });

  needs(it, inLongRun ?? noRedis)('the same on Redis', async () => {
    await using redis = await RedisServerProcess.shared();
    const place = onRedis(redis);
    await using trial = new Trial({ slots: 4, place });
    await using bin = await binOfRedis(place);
    await thrown('Redis', trial, bin);
  });

  needs(it, inLongRun ?? noRabbit ?? noRedis)(
    'the same on RabbitMQ, as far as AMQP can carry them',
    async () => {
      await using redis = await RedisServerProcess.shared();
      await using rabbit = await RabbitServerProcess.shared();
      const place = onRabbit(rabbit, redis);
      await using trial = new Trial({ slots: 4, place });
      await using bin = await binOfRabbit(place);
      await thrown('RabbitMQ', trial, bin);
    },
  );
});

/**
 * Throws the corpus at a worker between good tasks, once. Long run: twice, and how soon the neighbours end and what memory grows by is judged:
 * what it takes more the second time may be a leak; a leak is there the third time, too; what the collector had not come to is not.
 */
async function thrown(where: string, trial: Trial, bin: Bin): Promise<void> {
  const settings = { ...trial.environment, ...(isLong && { PROOF_COLLECTS: '1' }) };
  const worker = trial.adopt(new Program('worker.ts', settings));
  await worker.line('ready');
  const sender = await trial.sender();
  const memory = [rssOf(await worker.line('rss'))];
  const all: (Case & { readonly form: Thrown })[] = [];
  let slowestMs = 0;

  for (const round of isLong ? ['first', 'second', 'third'] : ['first']) {
    const [, first = 0, second = 0] = memory;
    if (round === 'third' && second - first < laterGrowthMb) break;
    const cases = corpus(round).flatMap((each) => {
      const form = bin.form(each.raw);
      return form === null ? [] : [{ ...each, form }];
    });
    all.push(...cases);
    for (let from = 0; from < cases.length; from += batch) {
      await bin.insert(cases.slice(from, from + batch).map(({ form }) => form));
      const quarantined = `good neighbours of the cases from '${cases[from]?.name}' on`;
      slowestMs = Math.max(
        slowestMs,
        await neighboursEnd(trial, sender, () => `${quarantined}:\n${worker.errors}`),
      );
    }
    // The unknown tasks have a grace of a second; then everything has come to rest.
    await until(async () => (await bin.messages()) === 0, 'no message is left in the queue');
    expect(worker.isAlive, worker.errors).toBe(true);
    memory.push(rssOf(await worker.line('rss', worker.lines.length)));
  }

  const [start = 0, first = 0] = memory;
  const later = memory.slice(2).map((each, index) => each - (memory[index + 1] ?? 0));
  const letters = await bin.dead();
  const dead = groupByBytes(letters);
  const sameBytes = groupByBytes(all.map(({ form }) => ({ raw: form.bytes })));
  const results = await bin.results();
  figures(
    `${where}: ${all.length} malformed messages: ${letters.length} in the dead-letter store, the others ran or expired; ` +
      `the slowest good neighbours done after ${slowestMs} ms; memory ${first - start} MB more, then ${later.join(' and ')} MB more`,
  );
  // Taken apart for AMQP a message may be less wrong, or wrong in another way; it is never nowhere.
  const judged = all.map(({ form, ...each }) =>
    form.properties === undefined
      ? each
      : { ...each, raw: form.bytes, expected: { kind: 'either' } as const },
  );
  expect(judged.flatMap((each) => wrongAbout(each, sameBytes, dead, results))).toEqual([]);
  if (!isLong) return;
  expect(slowestMs, 'good neighbours').toBeLessThan(neighbourMs);
  expect(first - start).toBeLessThan(firstGrowthMb);
  expect(Math.min(...later)).toBeLessThan(laterGrowthMb);
}

/** Sends good tasks, and waits until they have ended; milliseconds. */
async function neighboursEnd(trial: Trial, sender: Program, who: () => string): Promise<number> {
  const started = performance.now();
  const sent = trial.sentAndEnded + neighbours;
  sender.tell(JSON.stringify({ count: neighbours, ms: 1 }));
  await sender.line(`sent ${sent}`);
  await until(() => trial.sentAndEnded >= sent, who);
  return Math.round(performance.now() - started);
}

/** What is wrong with what became of a message; nothing is good. */
function wrongAbout(
  { name, raw, id, expected }: Case,
  sameBytes: ReadonlyMap<string, readonly unknown[]>,
  dead: ReadonlyMap<string, readonly Buried[]>,
  results: ReadonlyMap<string, { readonly status: string }>,
): string[] {
  const letters = dead.get(keyOf(raw)) ?? [];
  const [letter] = letters;
  const sent = sameBytes.get(keyOf(raw))?.length;
  if (letter !== undefined && letters.length !== sent && expected.kind !== 'either')
    return [`${name}: sent ${sent} times, buried ${letters.length} times`];
  const fate = letter === undefined ? (results.get(id)?.status ?? 'nothing') : letter.reason;
  const complain = (...allowed: string[]): string[] => (allowed.includes(fate) ? [] : [`${name}: ${fate}`]);
  switch (expected.kind) {
    case 'refused':
      return letter?.detail === '' ? [`${name}: buried without a reason`] : complain('undecodable');
    case 'runs':
      return complain('SUCCESS');
    case 'expired':
      return complain('REVOKED');
    case 'unknown-task':
      return complain('unknown-task');
    case 'either': // whatever it was, it left a trace
      return complain(
        'undecodable',
        'unknown-task',
        'SUCCESS',
        'FAILURE',
        'REVOKED',
        ...(tracelessly(name) ? ['nothing'] : []),
      );
  }
}

/** Their id is another than the one in the table, or they ask for no result. */
function tracelessly(name: string): boolean {
  return /\bid\b|ignore_result/.test(name);
}

function groupByBytes<T extends { readonly raw: Uint8Array }>(all: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of all) {
    const key = keyOf(each.raw);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return groups;
}

function keyOf(raw: Uint8Array): string {
  return createHash('sha256').update(raw).digest('hex');
}

/** Megabytes, from the line in which a worker says its memory in bytes. */
function rssOf(line: string): number {
  return Math.round(Number(line.split(' ')[1]) / 1024 / 1024);
}
