import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type CommonOptions, optionsOf } from '../common.ts';
import type { Imported } from '../import-schedules.ts';
import { exitCode, UsageError } from '../usage.ts';
import { withSchedules } from '../with-schedules.ts';

interface ImportOptions extends CommonOptions {
  readonly redbeat?: string;
  readonly prefix?: string;
  readonly takeOver?: boolean;
  readonly file?: string;
  readonly dryRun?: boolean;
}

/** `umbel schedule import`: imports schedules from RedBeat, or from Celery's `beat_schedule` as JSON. */
export function scheduleImportCommand(): Command {
  return new Command('import')
    .description(
      'Add the schedules of a RedBeat, or of a Celery beat_schedule as JSON. Existing schedules stay.',
    )
    .option('--redbeat <url>', 'The Redis of a RedBeat.')
    .option('--prefix <text>', 'Its redbeat_key_prefix.', 'redbeat:')
    .option('--take-over', 'Disable the imported schedules in RedBeat, so that only one system sends.')
    .option('--file <path>', 'A JSON file with a beat_schedule.')
    .option('--dry-run', 'Show the schedules without adding them.')
    .action((_: unknown, command: Command) => importSchedules(optionsOf<ImportOptions>(command)));
}

async function importSchedules(options: ImportOptions): Promise<void> {
  const { redbeat, file, prefix = 'redbeat:' } = options;
  if ((redbeat === undefined) === (file === undefined))
    throw new UsageError('name the source: --redbeat redis://… or --file schedule.json');
  if (options.takeOver && redbeat === undefined) throw new UsageError('--take-over belongs to --redbeat');
  const { disableInRedBeat, readCelerySchedule, readRedBeat } = await import('../import-schedules.ts');
  const found =
    redbeat === undefined ? readCelerySchedule(readJson(file ?? '')) : await readRedBeat(redbeat, prefix);
  await withSchedules(options, async (schedules, { output }) => {
    const there = new Set((await schedules.list()).map(({ name }) => name));
    const added: string[] = [];
    const left: { readonly name: string; readonly why: string }[] = [];
    for (const { name, entry } of found) {
      const why = await reasonAgainst(entry, there.has(name), async (given) => {
        if (!options.dryRun) await schedules.addEntry(name, given);
      });
      if (why === null) added.push(name);
      else left.push({ name, why });
    }
    if (redbeat !== undefined && options.takeOver && !options.dryRun)
      await disableInRedBeat(redbeat, prefix, added);
    output.data({ added, left });
    for (const name of added) output.say(`${options.dryRun ? 'Would add' : 'Added'} '${name}'.`);
    for (const { name, why } of left) output.note(`umbel: '${name}' is left out: ${why}`);
    if (added.length === 0 && left.length === 0) output.say('Nothing was found there.');
    if (left.length > 0) process.exitCode = exitCode.failed;
  });
}

async function reasonAgainst(
  entry: Imported['entry'],
  isThere: boolean,
  put: (entry: Exclude<Imported['entry'], string>) => Promise<void>,
): Promise<string | null> {
  if (typeof entry === 'string') return entry;
  if (isThere) return 'a schedule of this name exists already';
  try {
    await put(entry);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`cannot read '${path}': ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
