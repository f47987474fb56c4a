import { Command } from 'commander';
import type { DeadLetters, DeadLettersChanged } from '../../app/dead-letters.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import {
  type ChoiceOptions,
  choiceOf,
  type FilterOptions,
  filterOf,
  withFilterOptions,
} from '../dead-letter-options.ts';
import { asRow, asText, asValue } from '../dead-letter-view.ts';
import { endOfCommand } from '../events/listen.ts';
import type { Output } from '../output.ts';
import { progressBar } from '../progress-bar.ts';
import { exitCode } from '../usage.ts';
import { positiveInteger, rate } from '../values.ts';

interface ListOptions extends CommonOptions, FilterOptions {
  readonly limit?: number;
  readonly before?: number;
}

interface ShowOptions extends CommonOptions {
  readonly raw?: boolean;
}

interface ChangeOptions extends CommonOptions, ChoiceOptions {
  readonly limit?: number;
  readonly rate?: string;
  readonly force?: boolean;
}

/** `umbel dead`: shows, replays and discards dead letters. */
export function deadCommand(): Command {
  return new Command('dead')
    .description('Look at the dead letters (messages that could not be run), and send them again.')
    .addCommand(
      withFilterOptions(
        new Command('list')
          .description('List dead letters, newest first.')
          .option('--limit <number>', 'At most this number.', positiveInteger, 20)
          .option('--before <id>', 'Only dead letters older than this one.', positiveInteger),
      ).action((_: unknown, command: Command) => list(optionsOf<ListOptions>(command))),
    )
    .addCommand(
      new Command('show')
        .description('Show a dead letter: the reason, the contents, and the original bytes.')
        .argument('<id>', 'Its number in the list.', positiveInteger)
        .option('--raw', 'Write only its original bytes to standard output.')
        .action((id: number, _: unknown, command: Command) => show(id, optionsOf<ShowOptions>(command))),
    )
    .addCommand(
      withChoice(new Command('replay').description('Return dead letters to their queues, oldest first.'))
        .option('--rate <rate>', "At most this number per second, or text like '10/s', '100/m'.", rate)
        .action((ids: readonly string[], _: unknown, command: Command) =>
          replay(ids, optionsOf<ChangeOptions>(command)),
        ),
    )
    .addCommand(
      withChoice(new Command('discard').description('Delete dead letters for good.'))
        .option('-f, --force', 'Do not ask.')
        .action((ids: readonly string[], _: unknown, command: Command) =>
          discard(ids, optionsOf<ChangeOptions>(command)),
        ),
    )
    .addHelpText(
      'after',
      `
Examples:
  umbel dead list --reason max-deliveries --died-after 1h
  umbel dead show 3
  umbel dead show 3 --raw > message.json
  umbel -A ./app.ts dead replay 3 4
  umbel -A ./app.ts dead replay --task 'mail.*' --rate 10/s
  umbel dead discard -Q mail --died-before 30d`,
    );
}

function withChoice(command: Command): Command {
  return withFilterOptions(
    command
      .argument('[ids...]', 'Their numbers in the list.')
      .option('--all', 'All of them.')
      .option('--limit <number>', 'Only the oldest, at most this number.', positiveInteger),
  );
}

async function list(options: ListOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { limit = 20, before } = options;
    const filter = filterOf(options);
    const letters = [];
    for await (const letter of app.deadLetters.list({
      ...filter,
      limit,
      ...(before === undefined ? {} : { before }),
    }))
      letters.push(letter);
    output.data(letters.map(asValue));
    const isFiltered = Object.keys(filter).length > 0;
    if (letters.length === 0) return output.say(isFiltered ? 'No such dead letters.' : 'No dead letters.');
    await output.table(['id', 'queue', 'task', 'reason', 'died', 'detail'], letters.map(asRow));
    const total = await app.deadLetters.count();
    if (letters.length < limit || total === limit) return;
    const more = `umbel dead list --before ${letters.at(-1)?.id}`;
    output.say(
      isFiltered ? `More, if there are: ${more}, with the same options` : `${total} in all; more: ${more}`,
    );
  });
}

async function show(id: number, options: ShowOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const letter = await app.deadLetters.get(id);
    if (!letter) return notThere(output, [id]);
    if (options.raw) {
      process.stdout.write(letter.raw);
      return;
    }
    output.data(asValue(letter));
    output.say(asText(letter, output));
  });
}

async function replay(ids: readonly string[], options: ChangeOptions): Promise<void> {
  const which = choiceOf(ids, options);
  const { rate: given, limit } = options;
  await withApp(options, ({ app: { deadLetters }, output }) =>
    work(output, 'Replayed', ids.length !== 1, (signal, onProgress) =>
      deadLetters.replay(which, {
        signal,
        onProgress,
        ...(given !== undefined && { rate: given }),
        ...(limit !== undefined && { limit }),
      }),
    ),
  );
}

async function discard(ids: readonly string[], options: ChangeOptions): Promise<void> {
  choiceOf(ids, options); // checked before the stores are opened
  await withApp(options, async ({ app: { deadLetters }, output }) => {
    // Later dead letters are not part of the question, and are not deleted.
    const meant = ids.length > 0 ? ids.map(Number) : await found(deadLetters, options);
    const question = `This deletes ${lettersOf(meant.length)} for good. Are you sure?`;
    if (meant.length > 0 && !(await confirmed(question, options.force ?? false))) {
      output.note('Nothing was deleted.');
      process.exitCode = exitCode.failed;
      return;
    }
    await work(output, 'Discarded', meant.length > 1, (signal, onProgress) =>
      deadLetters.discard(meant, { signal, onProgress }),
    );
  });
}

async function found(letters: DeadLetters, options: ChangeOptions): Promise<readonly number[]> {
  return (await letters.find(filterOf(options))).slice(0, options.limit);
}

type Apply = (
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
) => Promise<DeadLettersChanged>;

async function work(output: Output, verb: string, many: boolean, apply: Apply): Promise<void> {
  using ending = endOfCommand();
  const bar = many ? progressBar(output, 0, 'dead letters') : null;
  let changed = 0;
  try {
    const { done, missing } = await apply(ending.signal, (count, total) => {
      changed = count;
      if (count === 1) bar?.setTotal(total);
      bar?.update(count);
    });
    bar?.stop();
    output.say(`${verb} ${lettersOf(done.length)}.`);
    output.data({ done, missing, interrupted: false });
    if (missing.length > 0) notThere(output, missing);
  } catch (error) {
    bar?.stop();
    const rest = 'the rest is where it was. Run it again to go on.';
    if (!ending.signal.aborted) {
      if (changed > 0) output.note(`${verb} ${lettersOf(changed)} before that; ${rest}`);
      throw error;
    }
    output.say(`${verb} ${lettersOf(changed)}; ${rest}`);
    output.data({ done: changed, interrupted: true });
    process.exitCode = exitCode.failed;
  }
}

function notThere(output: Output, ids: readonly number[]): void {
  output.note(`umbel: there is no dead letter ${ids.join(', ')}; see: umbel dead list`);
  process.exitCode = exitCode.failed;
}

function lettersOf(count: number): string {
  return count === 1 ? '1 dead letter' : `${count} dead letters`;
}
