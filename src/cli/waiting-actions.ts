// Commands that change messages which wait in a queue.
import { Command } from 'commander';
import type { App } from '../app/app.ts';
import type { RescheduleOptions, TasksChanged, WaitingChoice } from '../app/queues.ts';
import { travellingOptions } from '../config/call-options.ts';
import { type CommonOptions, optionsOf, withApp } from './common.ts';
import { confirmed } from './confirm.ts';
import { optionsOfFlags, withFlags } from './flags.ts';
import { counted } from './output.ts';
import { clean } from './terminal/clean.ts';
import { exitCode, UsageError } from './usage.ts';
import { positiveInteger } from './values.ts';

interface ChangeOptions extends CommonOptions {
  readonly query?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

interface MoveOptions extends CommonOptions {
  readonly limit?: number;
  readonly query?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** `umbel queues move`. */
export function moveCommand(): Command {
  return new Command('move')
    .description(
      'Move messages that wait in a queue to another queue: none is lost, and none is there twice.',
    )
    .argument('<from>', 'The queue where they wait.')
    .argument('<to>', 'The queue where they will wait.')
    .option('-n, --limit <number>', 'At most this number, those that come next first.', positiveInteger)
    .option('--query <query>', "Only tasks that this query finds: 'name:mail.*' (not on RabbitMQ).")
    .option('--reason <text>', 'Why, for the audit log.')
    .option('--dry-run', 'Only count them.')
    .option('-f, --force', 'Do not ask.')
    .action((from: string, to: string, _: unknown, command: Command) =>
      move(from, to, optionsOf<MoveOptions>(command)),
    );
}

async function move(
  from: string,
  to: string,
  { limit, query, dryRun = false, force = false, ...options }: MoveOptions,
): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const which = { ...(limit !== undefined && { limit }), ...(query !== undefined && { query }) };
    const found = await app.queues.move(from, to, { ...which, dryRun: true });
    const names = `from '${clean(from)}' to '${clean(to)}'`;
    if (dryRun || found === 0) {
      output.data({ found });
      return output.say(`${counted(found, 'message')} would be moved ${names}.`);
    }
    const question = `This moves ${counted(found, 'message')} ${names}. Are you sure?`;
    if (!(await confirmed(question, force))) {
      output.note('Nothing was moved.');
      process.exitCode = exitCode.failed;
      return;
    }
    const moved = await app.queues.move(from, to, which);
    output.data({ moved });
    output.say(`Moved ${counted(moved, 'message')} ${names}.`);
  });
}

/** What may change of a task that waits. */
const { queue, priority, eta, countdown } = travellingOptions;
const changeable = { queue, priority, eta, countdown };

/** `umbel tasks promote`. */
export function promoteCommand(): Command {
  const command = new Command('promote').description(
    'Run tasks now that wait for their time: an eta, a countdown, or the delay of a retry (not on RabbitMQ).',
  );
  return withChoice(command).action((ids: readonly string[], _: unknown, self: Command) => {
    const options = optionsOf<ChangeOptions>(self);
    return changeTasks(ids, options, 'made ready', (app, which, more) => app.queues.promote(which, more));
  });
}

/** `umbel tasks reschedule`. */
export function rescheduleCommand(): Command {
  const command = new Command('reschedule').description(
    'Change the time, the queue or the priority of tasks that wait (not on RabbitMQ).',
  );
  return withFlags(withChoice(command), changeable).action(
    (ids: readonly string[], _: unknown, self: Command) => {
      const options = optionsOf<ChangeOptions>(self);
      const changes = optionsOfFlags(changeable, options);
      return changeTasks(ids, options, 'changed', (app, which, more) =>
        app.queues.reschedule(which, changes, more),
      );
    },
  );
}

function withChoice(command: Command): Command {
  return command
    .argument('[ids...]', 'Their ids.')
    .option('--query <query>', "All that wait and that this query finds: 'name:mail.* eta:<1d'.")
    .option('--reason <text>', 'Why, for the audit log.')
    .option('--dry-run', 'Only show which.')
    .option('-f, --force', 'With --query: do not ask.');
}

async function changeTasks(
  ids: readonly string[],
  { query, dryRun = false, force = false, ...options }: ChangeOptions,
  done: string,
  change: (app: App, which: WaitingChoice, options: RescheduleOptions) => Promise<TasksChanged>,
): Promise<void> {
  if (ids.length > 0 === (query !== undefined))
    throw new UsageError('give either the ids of tasks, or a --query');
  const which = query === undefined ? ids : { query };
  await withApp(options, async ({ app, output }) => {
    if (dryRun || query !== undefined) {
      const found = await change(app, which, { dryRun: true });
      const count = counted(found.done.length, 'task');
      if (dryRun || found.done.length === 0) {
        output.data(found);
        for (const id of found.done) output.say(id);
        return output.note(`${count} would be ${done}.`);
      }
      if (!(await confirmed(`${count} will be ${done}. Are you sure?`, force))) {
        output.note('Nothing was changed.');
        process.exitCode = exitCode.failed;
        return;
      }
    }
    const changed = await change(app, which, {});
    output.data(changed);
    output.say(`${counted(changed.done.length, 'task')} ${done}.`);
    if (changed.missing.length === 0) return;
    output.note(
      `Not waiting, or not for a time: ${changed.missing.map(clean).join(', ')}; see: umbel why ID`,
    );
    process.exitCode = exitCode.failed;
  });
}
