import { Command, InvalidArgumentError } from 'commander';
import { type Duration, toMs } from '../../lib/duration.ts';
import { type CommonOptions, optionsOf, withApp } from '../common.ts';
import { confirmed } from '../confirm.ts';
import { duration, positiveInteger } from '../values.ts';

interface MigrateOptions extends CommonOptions {
  readonly queues?: ReadonlyMap<string, string>;
  readonly limit?: number;
  readonly tasks?: readonly string[];
  readonly timeout?: Duration;
  readonly forever?: boolean;
  readonly force?: boolean;
}

/** `umbel migrate`: moves messages from one broker to another. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('Move waiting messages from one broker to another.')
    .argument('<source>', 'URL of the broker that has them: redis://…, amqp://…, sqlite://…')
    .argument('<destination>', 'URL of the broker they go to.')
    .option(
      '-Q, --queues <a,b:c>',
      'These queues, b into the queue c. Default: all queues with messages; on RabbitMQ those that the App names.',
      routes,
    )
    .option('-n, --limit <number>', 'Move at most this number of messages.', positiveInteger)
    .option('-T, --tasks <a,b>', 'Only messages of these tasks; the others stay.', names)
    .option('-F, --forever', 'Also move later messages, until Ctrl-C.')
    .option('-t, --timeout <duration>', 'End when no message has arrived for this time.', duration)
    .option('-f, --force', 'Do not ask.')
    .addHelpText(
      'after',
      `
Examples:
  umbel migrate sqlite://.umbel/store.db redis://localhost/0
  umbel migrate redis://localhost/0 amqp://localhost// -Q mails:emails -n 1000
  umbel migrate redis://localhost/0 redis://other/0 -T shop.add,shop.mail -t 10s

A message is published and confirmed before it is removed from its source. After an interruption run the command
again: nothing is lost, and nothing is doubled in Redis and the embedded store. Future tasks keep their time.
Priority numbers are not changed: on RabbitMQ the highest goes first. Dead letters, results and schedules are not moved.`,
    )
    .action((source: string, destination: string, _: unknown, self: Command) =>
      run(source, destination, optionsOf<MigrateOptions>(self)),
    );
}

async function run(source: string, destination: string, options: MigrateOptions): Promise<void> {
  await withApp(options, async ({ app, output }) => {
    const { migrate } = await import('../migrate/run.ts');
    await migrate(app, output, {
      source,
      destination,
      queues: options.queues ?? null,
      limit: options.limit ?? null,
      forever: options.forever ?? false,
      tasks: options.tasks ?? null,
      timeoutMs: options.timeout === undefined ? null : toMs(options.timeout, '--timeout'),
      confirm: (question) => confirmed(question, options.force ?? false),
    });
  });
}

function names(text: string): readonly string[] {
  const given = text.split(',').map((name) => name.trim());
  if (given.includes('')) throw new InvalidArgumentError('A name is empty; write them as a,b.');
  return given;
}

function routes(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(',').map((each): [string, string] => {
    const [from = '', to = from, ...rest] = each.trim().split(':');
    if (from === '' || to === '' || rest.length > 0)
      throw new InvalidArgumentError('Write queues as a,b, and b:c for the queue c there.');
    return [from, to];
  });
  return new Map(pairs);
}
