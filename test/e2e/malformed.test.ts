import { beforeAll, describe, expect, it } from 'vitest';
import { type Case, corpus } from '../corpus/corpus.ts';
import { ensureBuilt } from './harness/built.ts';
import { lookInto } from './harness/store.ts';
import { Trial } from './harness/trial.ts';

/** Bad messages between one group of good neighbours and the next. */
const batch = 12;
const neighbours = 4;
const neighbourMs = 5_000;
const growthMb = 64;

beforeAll(ensureBuilt, 90_000);

describe('malformed messages in the queue of a running worker', () => {
  it('never stop the worker or its good neighbours; each is in the dead-letter store, byte for byte, with its reason', async () => {
    await using trial = new Trial({ slots: 4 });
    const worker = await trial.worker();
    const sender = await trial.sender();
    using file = await lookInto(trial.store);
    const cases = corpus();
    const startRss = rssOf(await worker.line('rss'));

    let sent = 0;
    let slowestMs = 0;
    for (let from = 0; from < cases.length; from += batch) {
      file.insert(
        'celery',
        cases.slice(from, from + batch).map(({ raw }) => raw),
      );
      sent += neighbours;
      const started = Date.now();
      sender.tell(JSON.stringify({ count: neighbours, ms: 1 }));
      await sender.line(`sent ${sent}`);
      await trial.until(() => trial.sentAndEnded >= sent, neighbourMs);
      slowestMs = Math.max(slowestMs, Date.now() - started);
      expect(
        trial.sentAndEnded,
        `good neighbours of the cases from '${cases[from]?.name}' on:\n${worker.errors}`,
      ).toBe(sent);
    }
    // The unknown tasks have a grace of a second; then everything has come to rest.
    await trial.until(() => file.messages() === 0);
    expect(worker.isAlive, worker.errors).toBe(true);
    const endRss = rssOf(await worker.line('rss', worker.lines.length));
    const grownMb = (endRss - startRss) / 1024 / 1024;

    const dead = new Map(file.dead().map((letter) => [Buffer.from(letter.raw).toString('latin1'), letter]));
    const results = file.results();
    const wrong = cases.flatMap((each) =>
      verdictOn(each, dead.get(Buffer.from(each.raw).toString('latin1')), results.get(each.id)),
    );
    process.stdout.write(
      `\n${cases.length} malformed messages: ${dead.size} in the dead-letter store byte-exact, the others ran or expired; ` +
        `${sent} good neighbours, the slowest group done after ${slowestMs} ms; memory ${grownMb.toFixed(0)} MB more\n`,
    );
    expect(wrong).toEqual([]);
    expect(file.messages(), 'messages left in the queue').toBe(0);
    expect(slowestMs).toBeLessThan(neighbourMs);
    expect(grownMb).toBeLessThan(growthMb);
  }, 120_000);
});

interface Letter {
  readonly reason: string;
  readonly detail: string;
}

/** What is wrong with what became of a message; none is good. */
function verdictOn(
  { name, expected }: Case,
  letter: Letter | undefined,
  result: { status: string } | undefined,
): string[] {
  const fate = letter === undefined ? (result?.status ?? 'nothing') : letter.reason;
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

/** Bytes, from the line in which a worker says them. */
function rssOf(line: string): number {
  return Number(line.split(' ')[1]);
}
