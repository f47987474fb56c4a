import { Command } from 'commander';
import type { DeadLetter, DeadLetters } from '../../transports/transport.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { asRow, asText, asValue } from '../dead-letter-view.ts';
import { exitCode, UsageError } from '../usage.ts';
import { positiveInteger } from '../values.ts';

interface ListOptions extends CommonOptions {
  readonly limit?: number;
  readonly before?: number;
  readonly queue?: string;
}

interface ShowOptions extends CommonOptions {
  readonly raw?: boolean;
}

interface ChangeOptions extends CommonOptions {
  readonly all?: boolean;
  readonly queue?: string;
  readonly force?: boolean;
}

/** `umbel dead`: the messages that could not be run. */
export function deadCommand(): Command {
  return new Command('dead')
    .description('Look at the dead letters (messages that could not be run), and send them again.')
    .addCommand(
      new Command('list')
        .description('List them, newest first.')
        .option('--limit <number>', 'At most so many.', positiveInteger, 20)
        .option('--before <id>', 'Only those older than this one.', positiveInteger)
        .option('-Q, --queue <name>', 'Only those of this queue.')
        .action((_: unknown, command: Command) => list(optionsOf<ListOptions>(command))),
    )
    .addCommand(
      new Command('show')
        .description('Show one: why it is here, what it says, and its original bytes.')
        .argument('<id>', 'Its number in the list.', positiveInteger)
        .option('--raw', 'Write its original bytes to standard output, and nothing else.')
        .action((id: number, _: unknown, command: Command) => show(id, optionsOf<ShowOptions>(command))),
    )
    .addCommand(
      new Command('replay')
        .description('Put them back into their queue.')
        .argument('[ids...]', 'Their numbers in the list.')
        .option('--all', 'All of them.')
        .option('-Q, --queue <name>', 'With --all: only those of this queue.')
        .action((ids: readonly string[], _: unknown, command: Command) =>
          replay(ids, optionsOf<ChangeOptions>(command)),
        ),
    )
    .addCommand(
      new Command('discard')
        .description('Delete them for good.')
        .argument('[ids...]', 'Their numbers in the list.')
        .option('--all', 'All of them.')
        .option('-Q, --queue <name>', 'With --all: only those of this queue.')
        .option('-f, --force', 'Do not ask.')
        .action((ids: readonly string[], _: unknown, command: Command) =>
          discard(ids, optionsOf<ChangeOptions>(command)),
        ),
    )
    .addHelpText(
      'after',
      `
Examples:
  umbel dead list
  umbel dead show 3
  umbel dead show 3 --raw > message.json
  umbel -A ./app.ts dead replay 3 4
  umbel dead discard --all -Q mail`,
    );
}

async function list(options: ListOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { deadLetters } = await app.broker();
    const { limit = 20, before, queue } = options;
    const letters = await deadLetters.list({
      limit,
      ...(before === undefined ? {} : { before }),
      ...(queue === undefined ? {} : { queue }),
    });
    output.data(letters.map(asValue));
    if (letters.length === 0) return output.say('No dead letters.');
    await output.table(['id', 'queue', 'task', 'reason', 'died', 'detail'], letters.map(asRow));
    const total = await deadLetters.count();
    if (letters.length === limit && total > limit) {
      output.say(`${total} in all; more: umbel dead list --before ${letters.at(-1)?.id}`);
    }
  });
}

async function show(id: number, options: ShowOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const letter = await (await app.broker()).deadLetters.get(id);
    if (!letter) {
      output.note(`umbel: there is no dead letter ${id}; see: umbel dead list`);
      process.exitCode = exitCode.failed;
      return;
    }
    if (options.raw) {
      process.stdout.write(letter.raw);
      return;
    }
    output.data(asValue(letter));
    output.say(asText(letter, output));
  });
}

async function replay(ids: readonly string[], options: ChangeOptions): Promise<void> {
  await change(ids, options, {
    verb: 'Replayed',
    apply: (letters, id) => letters.replay(id),
  });
}

async function discard(ids: readonly string[], options: ChangeOptions): Promise<void> {
  await change(ids, options, {
    verb: 'Discarded',
    question: (count) =>
      `This deletes ${count === 1 ? 'one dead letter' : `${count} dead letters`} for good. Are you sure?`,
    apply: (letters, id) => letters.discard(id),
  });
}

interface Change {
  readonly verb: string;
  readonly question?: (count: number) => string;
  apply(letters: DeadLetters, id: number): Promise<boolean>;
}

async function change(given: readonly string[], options: ChangeOptions, what: Change): Promise<void> {
  const named = given.map(positiveIntegerId);
  if (named.length === 0 && !options.all)
    throw new UsageError('name the dead letters by their ids, or say --all');
  if (named.length > 0 && options.all) throw new UsageError('give ids or --all, not both');
  await withApp(options, async ({ app, output }) => {
    const { deadLetters } = await app.broker();
    const ids = options.all ? await everyId(deadLetters, options.queue) : named;
    if (
      what.question &&
      ids.length > 0 &&
      !(await confirmed(what.question(ids.length), options.force ?? false))
    ) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    const done: number[] = [];
    const missing: number[] = [];
    for (const id of ids) ((await what.apply(deadLetters, id)) ? done : missing).push(id);
    output.say(`${what.verb} ${done.length} ${done.length === 1 ? 'dead letter' : 'dead letters'}.`);
    output.data({ done, missing });
    if (missing.length > 0) {
      output.note(`umbel: there is no dead letter ${missing.join(', ')}; see: umbel dead list`);
      process.exitCode = exitCode.failed;
    }
  });
}

function positiveIntegerId(text: string): number {
  const id = Number(text);
  if (!Number.isSafeInteger(id) || id < 1)
    throw new UsageError(`'${text}' is no id of a dead letter; see: umbel dead list`);
  return id;
}

// Oldest first, so that a replay keeps the order. Those that arrive meanwhile are left alone.
async function everyId(letters: DeadLetters, queue: string | undefined): Promise<readonly number[]> {
  const ids: number[] = [];
  for (let before: number | undefined; ; before = ids.at(-1)) {
    const page: readonly DeadLetter[] = await letters.list({
      limit: 500,
      ...(before === undefined ? {} : { before }),
      ...(queue === undefined ? {} : { queue }),
    });
    ids.push(...page.map((letter) => letter.id));
    if (page.length < 500) return ids.reverse();
  }
}
