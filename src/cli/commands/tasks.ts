import { Command, Option } from 'commander';
import { travellingOptions } from '../../config/call-options.ts';
import { type FacetField, facets } from '../../history/fields.ts';
import type { Duration } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf, type Session, withApp } from '../common.ts';
import { optionsOfFlags, withFlags } from '../flags.ts';
import { asRow, asText, rowHead } from '../history-view.ts';
import { pauseCommand, resumeCommand } from '../pausing.ts';
import { chordCommand } from '../tasks/chord.ts';
import { jobCommand, retryAll } from '../tasks/retry-all.ts';
import { revokeCommand } from '../tasks/revoke.ts';
import { exitCode, UsageError } from '../usage.ts';
import { duration, jsonArray, jsonObject, positiveInteger, rate, share } from '../values.ts';
import { promoteCommand, rescheduleCommand } from '../waiting-actions.ts';

interface ListOptions extends CommonOptions {
  readonly sort: string;
  readonly limit: number;
  readonly after?: string;
}

interface RetryOptions extends CommonOptions {
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly query?: string;
  readonly rate?: string;
  readonly stopAt?: number;
  readonly again?: boolean;
  readonly dryRun?: boolean;
  readonly reason?: string;
  readonly force?: boolean;
}

interface WaitOptions extends CommonOptions {
  readonly timeout?: Duration;
}

interface TailOptions extends CommonOptions {
  readonly limit?: number;
  readonly enable?: boolean;
}

/** What may be different when a task runs again. */
const { queue, priority, eta, countdown } = travellingOptions;
const changeable = { queue, priority, eta, countdown };

interface CountsOptions extends CommonOptions {
  readonly by: FacetField;
  readonly limit: number;
}

/** `umbel tasks`: reads the history of tasks. */
export function tasksCommand(): Command {
  return new Command('tasks')
    .description('Search the history of tasks, which umbel recorder writes.')
    .addCommand(
      new Command('list')
        .description('List tasks, the newest first.')
        .argument('[query...]', 'A query: state:failure name:mail.* ended:<1h; default: all tasks.')
        .option('--sort <field>', 'seen, ended, runtime, name …; with - in front: descending.', '-seen')
        .option('--limit <number>', 'At most this number.', positiveInteger, 25)
        .option('--after <cursor>', 'Continue a list: the cursor that it printed.')
        .action((query: readonly string[], _: unknown, command: Command) =>
          list(query.join(' '), optionsOf<ListOptions>(command)),
        ),
    )
    .addCommand(
      new Command('show')
        .description('Show the record of a task, with each attempt.')
        .argument('<id>', 'Its id.')
        .action((id: string, _: unknown, command: Command) => show(id, optionsOf<CommonOptions>(command))),
    )
    .addCommand(
      new Command('counts')
        .description('Count tasks by their state, or by another field.')
        .argument('[query...]', 'A query; default: all tasks.')
        .addOption(
          new Option('--by <field>', 'The field by which they are counted.').choices(facets).default('state'),
        )
        .option(
          '--limit <number>',
          'At most this number of values, the most frequent first.',
          positiveInteger,
          20,
        )
        .action((query: readonly string[], _: unknown, command: Command) =>
          counts(query.join(' '), optionsOf<CountsOptions>(command)),
        ),
    )
    .addCommand(
      withFlags(
        new Command('retry')
          .description(
            'Run an ended task again, or all that a query finds: new tasks with the same arguments, queues and priorities.',
          )
          .argument('[id]', 'Its id.')
          .option(
            '--query <query>',
            'Run all tasks again that this query finds, as a job: see umbel tasks job.',
          )
          .option('--dry-run', 'With --query: only show which tasks can run again, and why others cannot.')
          .option(
            '--rate <rate>',
            'With --query: how many are sent, 50/s or 100/m; 0: all at once. Default 50/s.',
            rate,
          )
          .option(
            '--stop-at <share>',
            'With --query: pause when more than this share fails again: 5%.',
            share,
          )
          .option('--again', 'With --query: include tasks that were run again already.')
          .option('--reason <text>', 'Why, for others, and for the audit log.')
          .option('-f, --force', 'With --query: do not ask.')
          .option('-a, --args <json>', `Other positional arguments: '[1, "two"]'.`, jsonArray)
          .option('-k, --kwargs <json>', `Other keyword arguments: '{"name": "value"}'.`, jsonObject),
        changeable,
      ).action((id: string | undefined, _: unknown, command: Command) =>
        retry(id, optionsOf<RetryOptions>(command)),
      ),
    )
    .addCommand(jobCommand())
    .addCommand(chordCommand())
    .addCommand(
      new Command('wait')
        .description('Wait until tasks have ended, and print how.')
        .argument('<ids...>', 'Their ids.')
        .option('--timeout <duration>', 'Wait at most this long. Default: as long as it takes.', duration)
        .action((ids: readonly string[], _: unknown, command: Command) =>
          wait(ids, optionsOf<WaitOptions>(command)),
        ),
    )
    .addCommand(
      new Command('tail')
        .description('Print a line for each change of a task, as it happens.')
        .argument('[query...]', 'A query: only tasks that it selects; default: all.')
        .option('--limit <number>', 'End after this number of lines.', positiveInteger)
        .option('--no-enable', 'Do not ask workers to send task events.')
        .action((query: readonly string[], _: unknown, command: Command) =>
          tail(query.join(' '), optionsOf<TailOptions>(command)),
        ),
    )
    .addCommand(revokeCommand())
    .addCommand(promoteCommand())
    .addCommand(rescheduleCommand())
    .addCommand(pauseCommand('task'))
    .addCommand(resumeCommand('task'))
    .addHelpText(
      'after',
      `
Examples:
  umbel tasks list 'state:failure name:mail.* ended:<1h'
  umbel tasks list 'args.user.id:5 NOT state:success' --json
  umbel tasks list 'runtime:>10s' --sort=-runtime
  umbel tasks show 01a1fdea-afea-704d-89bb-a6a44598e872
  umbel tasks counts 'ended:<1h' --by name
  umbel -A ./app.ts tasks retry --query 'state:failure ended:<1h' --rate 50/s
  umbel tasks job
  umbel -A ./app.ts tasks chord 01a1fdea-afea-704d-89bb-a6a44598e872
  umbel tasks revoke --query 'name:mail.* state:pending'
  umbel tasks promote --query 'name:mail.* eta:<1d'
  umbel tasks wait 01a1fdea-afea-704d-89bb-a6a44598e872 --timeout 10m
  umbel tasks tail 'name:mail.* NOT state:success' --json

Exit code of wait: 0 all succeeded, 1 one did not, 3 not all have ended in time.

The language of queries: docs/guide/operations.md`,
    );
}

async function list(query: string, options: ListOptions): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    const { sort, limit, after } = options;
    const page = await app.history.list(query, { sort, limit, ...(after !== undefined && { after }) });
    output.data(page);
    if (page.tasks.length === 0) {
      output.say(query === '' ? 'No tasks.' : 'No such tasks.');
      return warn(session);
    }
    await output.table(rowHead, page.tasks.map(asRow));
    if (page.next !== null) output.say(`More: the same with --after ${page.next}`);
    await warn(session);
  });
}

async function show(id: string, options: CommonOptions): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    const task = await app.history.get(id);
    if (task === undefined) {
      output.note(`umbel: the history has no task '${id}'; see: umbel tasks list`);
      process.exitCode = exitCode.failed;
      return warn(session);
    }
    output.data(task);
    output.say(asText(task, output));
  });
}

async function wait(ids: readonly string[], { timeout, ...options }: WaitOptions): Promise<void> {
  const { waitForTasks } = await import('../tasks/wait.ts');
  await withApp(options, (session) => waitForTasks(session, ids, timeout));
}

async function tail(query: string, { limit, enable = true, ...options }: TailOptions): Promise<void> {
  const { tailTasks } = await import('../tasks/tail.ts');
  await withApp(options, async (session) => {
    await warn(session);
    await tailTasks(session, query, {
      enable,
      quiet: options.quiet ?? false,
      ...(limit !== undefined && { limit }),
    });
  });
}

async function retry(id: string | undefined, options: RetryOptions): Promise<void> {
  if (options.query !== undefined) return retryQuery(id, options, options.query);
  if (id === undefined) throw new UsageError("give the id of a task, or a query: --query 'state:failure'");
  for (const [name, flag] of queryOnly)
    if (options[name] !== undefined) throw new UsageError(`${flag} needs a --query`);
  await withApp(options, async ({ app, output }) => {
    const { args, kwargs } = options;
    const result = await app.history.retry(id, {
      ...(args && { args }),
      ...(kwargs && { kwargs }),
      ...optionsOfFlags(changeable, options),
    });
    output.data({ id: result.id, retryOf: id });
    output.say(result.id);
  });
}

const queryOnly = [
  ['rate', '--rate'],
  ['stopAt', '--stop-at'],
  ['again', '--again'],
  ['dryRun', '--dry-run'],
  ['force', '--force'],
] as const satisfies readonly (readonly [keyof RetryOptions, string])[];

async function retryQuery(id: string | undefined, options: RetryOptions, query: string): Promise<void> {
  const { args, kwargs, rate, stopAt, again, reason, force = false, dryRun = false } = options;
  const { queue, priority, eta, countdown } = optionsOfFlags(changeable, options);
  if (id !== undefined) throw new UsageError('give the id of a task, or a --query, not both');
  if (args !== undefined || kwargs !== undefined || eta !== undefined || countdown !== undefined)
    throw new UsageError(
      '--args, --kwargs, --eta and --countdown are for one task: give its id instead of a --query',
    );
  await withApp(options, (session) =>
    retryAll(
      session,
      query,
      {
        ...(rate !== undefined && { rate }),
        ...(stopAt !== undefined && { stopAt }),
        ...(again !== undefined && { again }),
        ...(reason !== undefined && { reason }),
        ...(queue !== undefined && { queue }),
        ...(priority !== undefined && { priority }),
      },
      { force, dryRun },
    ),
  );
}

async function counts(query: string, options: CountsOptions): Promise<void> {
  await withApp(options, async (session) => {
    const { app, output } = session;
    const { by, limit } = options;
    const found = await (by === 'state'
      ? app.history.counts(query).then((counts) => Object.entries(counts))
      : app.history.countsBy(by, query, limit));
    output.data(found.map(([value, tasks]) => ({ [by]: value, tasks })));
    if (found.length === 0) output.say('No such tasks.');
    else
      await output.table(
        [by, 'tasks'],
        found.map(([value, tasks]) => [value ?? '?', String(tasks)]),
      );
    await warn(session);
  });
}

/** A recorder that has not written for this time, milliseconds, is not running: recorders write every few seconds. */
const silentMs = 60_000;

/** Warns of times in which no recorder listened. */
async function warn({ app, output }: Session): Promise<void> {
  const { recordedUntil, location, gaps } = await app.history.status();
  if (recordedUntil === null)
    return output.note(`No recorder has written to ${location} yet; start one: umbel recorder`);
  if (Date.now() - recordedUntil > silentMs)
    output.note(`No recorder has listened since ${new Date(recordedUntil).toISOString()}: umbel recorder`);
  const last = gaps.at(-1);
  if (last !== undefined)
    output.note(
      `No recorder listened from ${new Date(last.from).toISOString()} to ${new Date(last.until).toISOString()}${gaps.length > 1 ? `, and ${gaps.length - 1} times before that` : ''}: the history lacks the events of that time.`,
    );
}
