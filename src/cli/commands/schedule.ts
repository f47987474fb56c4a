import { Command, Option } from 'commander';
import type { ScheduleInfo, Schedules } from '../../beat/beat.ts';
import type { Duration } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { type AddOptions, addOptionsTo, scheduled, when } from '../schedule-options.ts';
import { asRow, asRunRow, asText, previewText, rowHead, runHead } from '../schedule-view.ts';
import { exitCode } from '../usage.ts';
import { duration, positiveInteger } from '../values.ts';
import { withSchedules } from '../with-schedules.ts';
import { scheduleImportCommand } from './schedule-import.ts';

/** `umbel schedule`: shows and changes schedules. */
export function scheduleCommand(): Command {
  return new Command('schedule')
    .description('Show schedules, and change them while beats run.')
    .addCommand(
      new Command('list')
        .description('List them.')
        .action((_: unknown, command: Command) => list(optionsOf(command))),
    )
    .addCommand(
      new Command('show')
        .description('Show one.')
        .argument('<name>')
        .action((name: string, _: unknown, command: Command) => show(name, optionsOf(command))),
    )
    .addCommand(
      addOptionsTo(
        new Command('add').description('Add a schedule; with --replace, change it.').argument('<name>'),
      ).action((name: string, _: unknown, command: Command) => add(name, optionsOf<AddOptions>(command))),
    )
    .addCommand(
      onNames('pause', 'Send nothing until it is resumed.', 'Paused', (schedules, name) =>
        schedules.pause(name),
      ),
    )
    .addCommand(
      onNames(
        'resume',
        'Send again. Runs that were due meanwhile are not sent.',
        'Resumed',
        (schedules, name) => schedules.resume(name),
      ),
    )
    .addCommand(
      new Command('run')
        .description('Send one run now, beside the schedule.')
        .argument('<name>')
        .option('--reason <text>', 'Why, for the audit log.')
        .action((name: string, _: unknown, command: Command) => run(name, optionsOf(command))),
    )
    .addCommand(
      new Command('delete')
        .description('Delete schedules with their history.')
        .argument('<names...>')
        .option('--reason <text>', 'Why, for the audit log.')
        .option('-f, --force', 'Do not ask.')
        .action((names: readonly string[], _: unknown, command: Command) =>
          remove(names, optionsOf(command)),
        ),
    )
    .addCommand(
      new Command('history')
        .description('Show the latest runs and their outcomes, newest first.')
        .argument('<name>')
        .option('--limit <number>', 'At most this number.', positiveInteger, 20)
        .action((name: string, _: unknown, command: Command) => history(name, optionsOf(command))),
    )
    .addCommand(
      new Command('preview')
        .description('Show the runs of the next 24 hours.')
        .argument('[names...]')
        .option('--ahead <duration>', 'Show this much time.', duration, '24h')
        .addOption(
          new Option('--timezone <name>', 'Show times in this time zone.').default(undefined, "the App's"),
        )
        .action((names: readonly string[], _: unknown, command: Command) =>
          preview(names, optionsOf(command)),
        ),
    )
    .addCommand(scheduleImportCommand())
    .addHelpText(
      'after',
      `
Examples:
  umbel -A ./app.ts schedule list
  umbel -A ./app.ts schedule add nightly --cron '0 3 * * *' --task shop.report
  umbel -A ./app.ts schedule add pulse --every 10s --task shop.ping
  umbel -A ./app.ts schedule pause nightly
  umbel -A ./app.ts schedule preview

Changes take effect within two seconds. Schedules of the code are changed in the code; they can be paused.`,
    );
}

function onNames(
  verb: string,
  description: string,
  done: string,
  apply: (schedules: Schedules, name: string) => Promise<void>,
): Command {
  return new Command(verb)
    .description(description)
    .argument('<names...>')
    .option('--reason <text>', 'Why, for the audit log.')
    .action((names: readonly string[], _: unknown, command: Command) =>
      withSchedules(optionsOf(command), async (schedules, { output }) => {
        for (const name of names) {
          await apply(schedules, name);
          output.say(`${done} '${name}'.`);
        }
        output.data({ done: names });
      }),
    );
}

async function list(options: CommonOptions): Promise<void> {
  await withSchedules(options, async (schedules, { output, app }) => {
    const infos = await schedules.list();
    output.data(infos);
    if (infos.length === 0) return output.say('No schedules: the code declares none, and none was added.');
    await output.table(
      rowHead,
      infos.map((info) => asRow(info, app.config.timezone)),
    );
    if (infos.some(isDeclared)) output.say(declaredOnly);
  });
}

async function show(name: string, options: CommonOptions): Promise<void> {
  await withSchedules(options, async (schedules, { output, app }) => {
    const info = await schedules.get(name);
    output.data(info);
    output.say(asText(info, app.config.timezone, output));
  });
}

async function add(name: string, options: AddOptions): Promise<void> {
  const schedule = when(options);
  const { call, policy } = scheduled(options);
  await withSchedules(options, async (schedules, { output, app }) => {
    const exists = options.replace === true && (await schedules.list()).some((info) => info.name === name);
    if (exists) await schedules.change(name, schedule, call, policy);
    else await schedules.add(name, schedule, call, policy);
    const info = await schedules.get(name);
    output.data(info);
    output.say(`${exists ? 'Changed' : 'Added'} '${name}'.`);
    output.say(asText(info, app.config.timezone, output));
  });
}

async function run(name: string, options: CommonOptions): Promise<void> {
  await withSchedules(options, async (schedules, { output }) => {
    const { id } = await schedules.run(name);
    output.data({ id });
    output.say(id);
  });
}

async function remove(
  names: readonly string[],
  options: CommonOptions & { readonly force?: boolean },
): Promise<void> {
  await withSchedules(options, async (schedules, { output }) => {
    const what = names.map((name) => `'${name}'`).join(', ');
    if (!(await confirmed(`This deletes ${what} with the history.`, options.force ?? false))) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    for (const name of names) {
      await schedules.remove(name);
      output.say(`Deleted '${name}'.`);
    }
    output.data({ done: names });
  });
}

async function history(name: string, options: CommonOptions & { readonly limit?: number }): Promise<void> {
  await withSchedules(options, async (schedules, { output, app }) => {
    const runs = await schedules.history(name, options.limit);
    const backend = await app.backend().catch(() => null);
    // The history has no states of tasks: they come from the result backend, as long as it keeps the results.
    const states = await Promise.all(
      runs.map(({ taskId }) => (taskId === null ? undefined : backend?.get(taskId).catch(() => undefined))),
    );
    output.data(runs.map((run, index) => ({ ...run, state: states[index]?.status ?? null })));
    if (runs.length === 0) return output.say(`No runs of '${name}' yet.`);
    await output.table(
      runHead,
      runs.map((run, index) => asRunRow(run, states[index]?.status ?? null, app.config.timezone)),
    );
  });
}

async function preview(
  names: readonly string[],
  options: CommonOptions & { readonly ahead?: Duration; readonly timezone?: string },
): Promise<void> {
  await withSchedules(options, async (schedules, { output, app }) => {
    for (const name of names) await schedules.get(name);
    const from = new Date();
    const ahead = options.ahead ?? '24h';
    const runs = await schedules.preview(ahead, names.length === 0 ? undefined : names);
    output.data(runs);
    output.say(previewText(runs, { from, ahead, timezone: options.timezone ?? app.config.timezone }));
    const infos = await schedules.list();
    const shown = infos.filter(({ name }) => names.length === 0 || names.includes(name));
    if (shown.some(isDeclared))
      output.say(
        `\n${declaredOnly} So are: ${shown
          .filter(isDeclared)
          .map(({ name }) => name)
          .join(', ')}`,
      );
  });
}

const declaredOnly =
  'declared: in the code; no beat that has this code has started yet, so nothing sends it.';

function isDeclared({ state }: ScheduleInfo): boolean {
  return state === 'declared';
}
