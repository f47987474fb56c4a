// Fills the table: each figure is taken from jobs that this program has just sent, in each way that is there.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type WayName, wayNames } from '../ways/way.ts';
import { slots } from '../ways/work.ts';
import type { Comparison } from './comparison.ts';
import type { Job } from './jobs.ts';
import type { Report, Row, Unit } from './report.ts';
import { settings } from './settings.ts';

/** Whatever does not end within it is called lost, milliseconds. */
const patienceMs = 60_000;

const burst = 3 * slots;

/** Needs the ways for itself. Afterwards no program runs. */
export async function measure(comparison: Comparison, say: (line: string) => void): Promise<Report> {
  const rows = new Map<string, { readonly unit: Unit; readonly figures: Record<WayName, number | null> }>();
  for (const way of wayNames) {
    if (!comparison.has(way)) continue;
    for await (const [question, unit, figure] of figuresOf(comparison, way)) {
      const row = rows.get(question) ?? { unit, figures: { task: null, message: null, call: null } };
      row.figures[way] = figure;
      rows.set(question, row);
      say(`${way}: ${question}: ${Math.round(figure * 100) / 100} ${unit}`);
    }
  }
  const { brokers } = comparison;
  return {
    at: new Date().toISOString(),
    conditions: `A job takes ${settings.JOB_SECONDS} s; each program does ${slots} at a time. Tasks: ${brokers.tasks}; messages: ${brokers.rabbit === null ? 'none' : `RabbitMQ at ${new URL(brokers.rabbit).host}`}.`,
    rows: [...rows].map(([question, row]): Row => ({ question, ...row })),
    notes: brokers.notes,
  };
}

type Figure = readonly [question: string, unit: Unit, figure: number];

async function* figuresOf(comparison: Comparison, way: WayName): AsyncGenerator<Figure> {
  const seconds = settings.JOB_SECONDS;
  await scaled(comparison, way, 1);
  await ended(comparison, comparison.send(way, { seconds: 0.05 })); // the first one opens connections

  const [one] = await ended(comparison, comparison.send(way, { seconds }));
  if (one === undefined) throw new Error('a job was sent');
  yield ['Its caller goes on after', 'ms', (one.answered ?? Number.NaN) - one.created];
  yield ['Its caller has the result after', 'ms', (one.ended ?? Number.NaN) - one.created];
  yield ['Statuses that the caller hears of', 'times', one.changes];
  yield ['Reports of progress that the caller hears of', 'times', one.reports];

  const jobs = await ended(comparison, comparison.send(way, { seconds, count: burst }));
  yield [`${burst} jobs, 1 program: each waits, on average`, 'ms', mean(jobs.map(waited))];
  yield [`${burst} jobs, 1 program: all are done after`, 'ms', lastedMs(jobs)];
  await scaled(comparison, way, settings.SCALE);
  const faster = await ended(comparison, comparison.send(way, { seconds, count: burst }));
  yield [`${burst} jobs, ${settings.SCALE} programs: all are done after`, 'ms', lastedMs(faster)];
  await scaled(comparison, way, 1);

  const [stubborn] = await ended(comparison, comparison.send(way, { seconds, failures: 2 }));
  yield ['A job that fails twice: attempts', 'times', stubborn?.runs ?? 0];
  yield ['… and ends well', 'jobs', stubborn?.status === 'DONE' ? 1 : 0];

  const running = comparison.send(way, { seconds: 3 * seconds, count: slots });
  if (way === 'call')
    await sleep(seconds * 1000); // its caller does not hear that it has begun
  else await comparison.jobs.until(() => running.every(({ started }) => started !== null), patienceMs);
  for (const { pid } of comparison.programs.of(way)) comparison.programs.kill(pid);
  await ended(comparison, running);
  yield [`The program is killed (-9) under ${slots} jobs: done`, 'jobs', running.filter(isDone).length];
  yield ['… the last caller knows after', 'ms', lastedMs(running)];
  yield ['… lost', 'jobs', running.filter((job) => !isDone(job)).length];
  yield ['… begun, as their caller heard', 'times', running.reduce((sum, { runs }) => sum + runs, 0)];

  await scaled(comparison, way, 0);
  await comparison.purge(way); // a program that ends may not have acknowledged its last job
  const early = comparison.send(way, { seconds, count: 5 });
  await comparison.jobs.until(() => early.every(({ answered }) => answered !== null), patienceMs);
  yield ['5 jobs while no program is there: they wait', 'jobs', await comparison.waiting(way)];
  yield ['… and a purge deletes', 'jobs', await comparison.purge(way)];

  yield ['Code of this way', 'lines', linesOf(way)];
}

/** Resolves with the jobs when each has ended, or will not any more. */
async function ended({ jobs }: Comparison, sent: readonly Job[]): Promise<readonly Job[]> {
  await jobs.until(() => sent.every((job) => job.ended !== null && job.answered !== null), patienceMs);
  for (const { id, ended: end } of sent)
    if (end === null) jobs.update(id, { status: 'LOST', error: 'it did not end in time' });
  return sent;
}

/** Resolves when that many programs are ready, and the others are gone. */
async function scaled({ jobs, programs }: Comparison, way: WayName, count: number): Promise<void> {
  programs.scale(way, count);
  const isSo = () =>
    programs.of(way).filter(({ ready }) => ready).length === count && programs.leaving(way) === 0;
  if (await jobs.until(isSo, patienceMs)) return;
  throw new Error(
    `of the way '${way}', ${count} programs are wanted and not there; their output above says why`,
  );
}

const isDone = ({ status }: Job): boolean => status === 'DONE';
const waited = ({ created, started }: Job): number => (started ?? Number.NaN) - created;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, each) => sum + each, 0) / values.length;

function lastedMs(jobs: readonly Job[]): number {
  return (
    Math.max(...jobs.map(({ ended }) => ended ?? Number.NaN)) -
    Math.min(...jobs.map(({ created }) => created))
  );
}

/** Without empty lines and comments. */
function linesOf(way: WayName): number {
  const folder = fileURLToPath(new URL(`../ways/${way}/`, import.meta.url));
  const lines = readdirSync(folder).flatMap((file) => readFileSync(`${folder}${file}`, 'utf8').split('\n'));
  return lines.filter((line) => !/^\s*(?:\/\/|\/?\*|$)/.test(line)).length;
}
